"""The served model (an MLflow pyfunc), its client and the demo page. Importing the package loads none of them."""
