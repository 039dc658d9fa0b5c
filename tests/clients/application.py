"""Python's own mail library as the application: it sends what it is told and says what it ran into.

Arguments: submission port, inbound port, file of the authority. Standard input: a JSON list of messages. Standard
output: a JSON list with one answer for each, "accepted" or the library's exception with the server's reply.
"""

import json
import smtplib
import ssl
import sys
from email.message import EmailMessage


def message_of(order):
    message = EmailMessage()
    for name, value in order["fields"]:
        message[name] = value
    message.set_content("Grüße\n.\n..\n")
    return message


def said(reply):
    return reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply)


def send(order, ports, context):
    port = ports["submission" if order["login"] else "inbound"]
    with smtplib.SMTP("localhost", port, local_hostname="application.contoso.example", timeout=60) as client:
        client.starttls(context=context)
        if order["login"]:
            client.login(order["login"], order["password"])
        refused = client.send_message(message_of(order), order["reverse_path"], order["to"])
        return ["accepted"] + [f"{address} {code} {said(text)}" for address, (code, text) in sorted(refused.items())]


def answer(order, ports, context):
    try:
        return send(order, ports, context)
    except smtplib.SMTPRecipientsRefused as error:
        replies = [f"{code} {said(text)}" for _, (code, text) in sorted(error.recipients.items())]
        return [type(error).__name__] + replies
    except smtplib.SMTPResponseException as error:
        return [type(error).__name__, f"{error.smtp_code} {said(error.smtp_error)}"]


def main():
    ports = {"submission": int(sys.argv[1]), "inbound": int(sys.argv[2])}
    context = ssl.create_default_context(cafile=sys.argv[3])
    json.dump([answer(order, ports, context) for order in json.load(sys.stdin)], sys.stdout)


main()
