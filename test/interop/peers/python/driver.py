"""The request loop of a Python peer: JSON lines in, JSON lines out (see process-peer.ts)."""
import base64
import json
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor

_output = threading.Lock()


def encode(data):
    return None if data is None else base64.b64encode(data).decode()


def decode(text):
    return None if text is None else base64.b64decode(text)


def answer(request_id, **fields):
    with _output:
        sys.stdout.write(json.dumps({'id': request_id, **fields}) + '\n')
        sys.stdout.flush()


def describe(error):
    return f'{type(error).__name__}: {error}'


def serve(operations, workers=8):
    """Answers each line with operations[op](request), several at a time, until stdin ends."""
    def handle(request):
        try:
            answer(request['id'], result=operations[request['op']](request))
        except Exception as error:  # the suite decides what an error means
            traceback.print_exc()
            answer(request['id'], error=describe(error))

    with ThreadPoolExecutor(workers) as pool:
        for line in sys.stdin:
            pool.submit(handle, json.loads(line))
