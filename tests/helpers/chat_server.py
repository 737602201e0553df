"""A real HTTP server that speaks OpenAI's chat completions, well or badly, as it is told."""

import base64
import io
import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from PIL import Image


class ChatServer(ThreadingHTTPServer):
    """`say(number, picture)` gives what the `number`th request gets: a text, or (status, body,
    headers). Keeps the requests, and the most that were open at once.

    With `of_words`, `say(words)` is given the text of a request, which may show any number of
    pictures.
    """

    daemon_threads = True

    def __init__(self, say, of_words=False):
        super().__init__(("127.0.0.1", 0), Handler)
        self.say, self.of_words = say, of_words
        self.asked, self.keys, self.seen = [], set(), Counter()
        self.open = self.most = 0
        self.lock = threading.Lock()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/v1"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *error):
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        pictures = pictures_of(body)
        with server.lock:
            server.asked.append({"path": self.path, **body})
            server.keys.add(self.headers.get("Authorization"))
            server.seen.update(picture.tobytes() for picture in pictures)
            number = len(server.asked)
            server.open += 1
            server.most = max(server.most, server.open)
        answer = server.say(text_of(body)) if server.of_words else server.say(number, *pictures)
        with server.lock:
            server.open -= 1
        self.reply(*(answer if isinstance(answer, tuple) else (200, good(answer), {})))

    def reply(self, status, body, headers=()):
        try:
            self.send_response(status)
            for name, value in dict(headers).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:  # the client did not wait
            pass

    def log_message(self, *args):
        pass


def good(text):
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


def text_of(body):
    """The words of a request."""
    parts = body["messages"][0]["content"]
    (text,) = (part["text"] for part in parts if part["type"] == "text")
    return text


def pictures_of(body):
    """The images of a request's data URLs."""
    parts = body["messages"][0]["content"]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    return [picture_of(url) for url in urls]


def picture_of(url):
    head, _, data = url.partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
