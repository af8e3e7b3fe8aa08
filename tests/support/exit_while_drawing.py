"""The end of a sweep that gives its tracker up: the main thread returns while the writer's daemon thread draws.

    python -m tests.support.exit_while_drawing 0.3; echo $?

The exit code should be 3; an interpreter that ends within matplotlib aborts instead (134 or 139).
"""

import io
import sys
import threading
import time

from ser.report.plots import draw_confusion


def draw_for_ever() -> None:
    while True:
        draw_confusion([[3, 1], [0, 4]], ["anger", "sadness"], title="x").savefig(io.BytesIO())


if __name__ == "__main__":
    threading.Thread(target=draw_for_ever, daemon=True).start()
    time.sleep(2 + float(sys.argv[1]))
    sys.exit(3)
