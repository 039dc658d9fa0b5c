"""Python's own mail library as a client with a token, or with a password that it never sends.

Arguments: submission port, file of the authority, mechanism, login. Standard input: the token or password. Signs in,
hands one message to bob and prints "accepted", or the server's reply.
"""

import base64
import hashlib
import hmac
import json
import smtplib
import ssl
import sys


class Refused(Exception):
    pass


def xoauth2(login, token):
    def answer(challenge=None):
        # A challenge says why the token is refused, and wants an empty answer.
        return "" if refusal(challenge) else f"user={login}\x01auth=Bearer {token}\x01\x01"

    return answer


def oauthbearer(login, token):
    def answer(challenge=None):
        if refusal(challenge):
            return "\x01"
        return f"n,a={login},\x01host=localhost\x01port=587\x01auth=Bearer {token}\x01\x01"

    return answer


def refusal(challenge):
    if challenge:
        assert json.loads(challenge)["schemes"] == "bearer", challenge
    return bool(challenge)


def scram(login, password):
    """RFC 5802 with SHA-256, and the server is believed only when it proves itself."""
    nonce = base64.b64encode(hashlib.sha256(password.encode()).digest()[:18]).decode()
    bare = f"n={login.replace('=', '=3D').replace(',', '=2C')},r={nonce}"
    expected = []

    def answer(challenge=None):
        if challenge is None:
            return f"n,,{bare}"
        challenge = challenge.decode() if isinstance(challenge, bytes) else challenge
        if expected:
            if challenge != f"v={base64.b64encode(expected[0]).decode()}":
                raise Refused("the server cannot prove that it knows the password")
            return ""
        said = dict(part.split("=", 1) for part in challenge.split(","))
        assert said["r"].startswith(nonce) and len(said["r"]) > len(nonce) + 16, challenge
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(said["s"]), int(said["i"]))
        client, server = (hmac.digest(salted, name, "sha256") for name in (b"Client Key", b"Server Key"))
        without_proof = f"c=biws,r={said['r']}"
        message = f"{bare},{challenge},{without_proof}".encode()
        signature = hmac.digest(hashlib.sha256(client).digest(), message, "sha256")
        proof = base64.b64encode(bytes(one ^ other for one, other in zip(client, signature))).decode()
        expected.append(hmac.digest(server, message, "sha256"))
        return f"{without_proof},p={proof}"

    return answer


MECHANISMS = {"XOAUTH2": xoauth2, "OAUTHBEARER": oauthbearer, "SCRAM-SHA-256": scram}


def main():
    port, authority, mechanism, login = sys.argv[1:]
    secret = sys.stdin.read()
    with smtplib.SMTP("localhost", int(port), local_hostname="laptop.contoso.example", timeout=60) as client:
        client.starttls(context=ssl.create_default_context(cafile=authority))
        client.ehlo()
        assert mechanism in client.esmtp_features["auth"].split(), client.esmtp_features["auth"]
        client.user, client.password = login, secret
        client.auth(mechanism, MECHANISMS[mechanism](login, secret))
        content = f"From: {login}\r\nTo: bob@contoso.example\r\nSubject: by-{mechanism}\r\n\r\nHello\r\n"
        client.sendmail(login, ["bob@contoso.example"], content)
        return "accepted"


try:
    print(main())
except smtplib.SMTPAuthenticationError as error:
    print(error.smtp_code, error.smtp_error.decode())
except Refused as error:
    print(error)
