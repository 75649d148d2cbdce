// Reads an AsyncAPI document with the official parser and prints what it has to say, as JSON.
const { readFileSync } = require("node:fs");
const { Parser } = require("@asyncapi/parser");

async function main(path) {
  const { document, diagnostics } = await new Parser().parse(readFileSync(path, "utf8"));
  const operations = document ? document.operations().all().map((one) => one.id()) : null;
  console.log(JSON.stringify({ operations, diagnostics }));
}

main(process.argv[2]);
