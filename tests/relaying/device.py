"""A device as Python's smtplib makes one: what the server answers, one reply a line, until one refuses.

Arguments: port, address to come from, file of certificate and key or "-", whether to use TLS, sender, recipient.
"""

import smtplib
import ssl
import sys

port, source, identity, tls, sender, recipient = sys.argv[1:]

client = smtplib.SMTP("127.0.0.1", int(port), local_hostname="device.contoso.example", source_address=(source, 0))
if tls == "tls":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Whose server it is matters to nobody here.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if identity != "-":
        context.load_cert_chain(identity)
    client.starttls(context=context)
client.ehlo()


def say(reply):
    code, text = reply
    print(code, text.decode().replace("\n", " "))
    if code >= 400:
        sys.exit(0)


say(client.mail(sender))
say(client.rcpt(recipient))
say(client.data(f"From: {sender}\r\nTo: {recipient}\r\nSubject: a scan\r\n\r\nHello\r\n"))
client.quit()
