"""A webhook that sends e-mail: `python deploy/mail.py --smtp HOST --to ops@example.org`.

Prefect's server has no block for plain SMTP, and a flow that mails would need the worker whose
death it should tell of. Listens on 127.0.0.1 only; run it beside the server. A user and password
come from SMTP_USER and SMTP_PASSWORD, over STARTTLS.
"""

import argparse
import json
import os
import smtplib
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Post(NamedTuple):
    """Where mail goes: the server, the sender and the receiver."""

    host: str
    port: int
    sender: str
    to: str

    def send(self, subject: str, text: str) -> None:
        """Send one mail; raises OSError or SMTPException."""
        message = EmailMessage()
        message["Subject"] = " ".join(subject.split())
        message["From"], message["To"] = self.sender, self.to
        message.set_content(text)
        with smtplib.SMTP(self.host, self.port, timeout=30) as server:
            if user := os.environ.get("SMTP_USER"):
                server.starttls()
                server.login(user, os.environ.get("SMTP_PASSWORD", ""))
            server.send_message(message)


def handler(post: Post) -> type[BaseHTTPRequestHandler]:
    """A handler of requests that mails each body: JSON with `subject` and `text`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                told = json.loads(body)
                post.send(str(told["subject"]), str(told["text"]))
            except (ValueError, KeyError, TypeError) as error:
                self.send_error(400, f"subject and text are needed: {error}")
            except (OSError, smtplib.SMTPException) as error:
                self.log_error("not sent: %s", error)
                self.send_error(502)
            else:
                self.send_response(204)
                self.end_headers()

    return Handler


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smtp", default="localhost", metavar="HOST[:PORT]")
    parser.add_argument("--sender", default="sortal@localhost")
    parser.add_argument("--to", required=True)
    parser.add_argument("--port", type=int, default=4280)
    options = parser.parse_args()
    host, _, port = options.smtp.partition(":")
    post = Post(host, int(port or 25), options.sender, options.to)
    server = ThreadingHTTPServer(("127.0.0.1", options.port), handler(post))
    print(f"mail for http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
