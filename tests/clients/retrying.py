"""An application that reacts: it tries again what may pass, gives up what will not, and says what it ran into.

Arguments: host name to connect to, submission port, file of the authority, login, password, sender, recipient, time limit
in seconds. Standard output: a JSON list with what each attempt came to, three at most.
"""

import json
import smtplib
import ssl
import sys
from email.message import EmailMessage

ATTEMPTS = 3


def message(sender, recipient):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, recipient, "retrying"
    message["Message-ID"] = "<retrying@contoso.example>"
    message.set_content("x" * 70 + "\n")
    return message


def attempt(host, port, authority, login, password, sender, recipient, seconds):
    context = ssl.create_default_context(cafile=authority)
    try:
        with smtplib.SMTP(host, int(port), timeout=float(seconds)) as client:
            client.starttls(context=context)
            client.login(login, password)
            client.send_message(message(sender, recipient), sender, [recipient])
            return "accepted", False
    except smtplib.SMTPRecipientsRefused as error:
        (code, text), = error.recipients.values()
        return f"{code} {text.decode()}", 400 <= code < 500
    except smtplib.SMTPResponseException as error:
        text = error.smtp_error
        text = text.decode() if isinstance(text, bytes) else text
        # The library makes a connection that ends before the banner a reply with the code -1.
        return f"{error.smtp_code} {text}", error.smtp_code == -1 or 400 <= error.smtp_code < 500
    except ssl.SSLCertVerificationError as error:
        return f"certificate: {error.verify_message}", False
    except ssl.SSLError as error:
        return f"tls: {error.reason}", False
    except smtplib.SMTPServerDisconnected as error:
        # The library takes its own time limit for the end of the connection while it reads a reply.
        return ("timeout" if "timed out" in str(error) else "disconnected"), True
    except TimeoutError:
        return "timeout", True
    except ConnectionError:
        return "disconnected", True


def main():
    outcomes = []
    for _ in range(ATTEMPTS):
        outcome, may_pass = attempt(*sys.argv[1:])
        outcomes.append(outcome)
        if not may_pass:
            break
    json.dump(outcomes, sys.stdout)


main()
