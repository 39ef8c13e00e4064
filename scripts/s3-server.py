"""An S3 server for tests: prints its URL, keeps everything in memory, and ends when its stdin does.

A pipe on stdin closes when whoever holds the other end is gone, however it went: no server outlives the tests.
"""

import logging
import sys

from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
print(f"http://{host}:{port}", flush=True)
sys.stdin.read()
server.stop()
