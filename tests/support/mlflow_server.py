"""MLflow's server as a real process that can be killed and brought back."""

import urllib.request
from pathlib import Path

from mlflow.tracking import MlflowClient

from tests.support.command_runner import REPOSITORY, Command, free_port

SERVER = REPOSITORY / "mlflow" / "server"
SQLITE = "sqlite:///tracker.db"


class Tracker:
    """MLflow's server; it runs while entered, and may be entered again.

    Args:
        folder: of its artefacts, and of its database if that is SQLite.
        database: address of its database.
    """

    def __init__(self, folder: Path, database: str = SQLITE) -> None:
        folder.mkdir(exist_ok=True)
        self._folder, self._database, self._port = folder, database, free_port()

    def __enter__(self) -> "Tracker":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def client(self) -> MlflowClient:
        return MlflowClient(self.uri)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        variables = {"MLFLOW_PORT": str(self._port), "MLFLOW_BACKEND_STORE_URI": self._database}
        self._server = Command(SERVER, folder=self._folder, variables=variables)
        self._server.wait_until(self._answers)

    def kill(self) -> None:
        """kill -9, its workers too."""
        self._server.kill()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False
