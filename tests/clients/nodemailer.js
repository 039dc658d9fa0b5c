// nodemailer as the application: it sends what it is told and says what it ran into.
//
// Arguments: submission port, port with TLS from the first octet, file of the authority. Standard input: a JSON list of
// messages. Standard output: a JSON list with one answer for each, "accepted" or the library's code, command and response.

const fs = require("fs");
const nodemailer = require("nodemailer");

const [port, implicitPort, authority] = process.argv.slice(2);

async function answer(order) {
  const transport = nodemailer.createTransport({
    host: "localhost",
    port: Number(order.implicit ? implicitPort : port),
    secure: order.implicit,
    requireTLS: !order.implicit,
    tls: { ca: fs.readFileSync(authority) },
    auth: { user: order.login, pass: order.password },
    authMethod: order.method,
  });
  try {
    const info = await transport.sendMail({
      from: order.from, to: order.to, subject: order.subject, text: "Grüße\n.\n..\n",
    });
    return info.response.startsWith("250 2.0.0 OK") ? "accepted" : info.response;
  } catch (error) {
    return `${error.code} ${error.command}: ${error.response}`;
  } finally {
    transport.close();
  }
}

async function main() {
  const answers = [];
  for (const order of JSON.parse(fs.readFileSync(0, "utf-8"))) {
    answers.push(await answer(order));
  }
  process.stdout.write(JSON.stringify(answers));
}

main();
