/* A complete minimal platform: AMQP alone, and what your own program has to remember.

    npm ci
    node minimal.js 'amqp://USR-...:key@host:5672/vhost' state.json

Standard input stands for your program: a line `{"type": ..., "data": ...}` is a wish of it.
Standard output is what it would act on: `{"reply": ...}` and `{"event": ...}`, events in order,
and `{"refused": ...}` for a wish whose type the broker does not let this account send.
It ends when its input has ended and every command has its answer. */
"use strict";

const { randomUUID } = require("node:crypto");
const fs = require("node:fs");
const readline = require("node:readline");
const amqp = require("amqplib");

const REPLAY = "event.replay.v1";
const ENDED = "event.replay-ended.v1";
/* The next replay may be asked for five seconds after the end of the last one. */
const AGAIN_MS = 6000;
const ADVICE = "Nobody has it. Compare its type with those that your role may send, and send it anew.";

const [url, path] = process.argv.slice(2);
/* The account's name is the user's id; in a sandbox `sandbox.` stands before it. */
const account = decodeURIComponent(new URL(url).username);
const user = account.replace(/^sandbox\./, "");

/* What must survive the end of this program; in yours it is a table of its database. */
let state = {
  last: 0, // Sequence up to which every event has been acted on.
  ahead: {}, // Sequence -> event behind a gap, until that is closed.
  ids: [], // The events that came last, by their ids.
  waiting: {}, // Command's id -> type and bytes, until it is answered.
};
if (fs.existsSync(path)) state = JSON.parse(fs.readFileSync(path, "utf8"));

let channel = null; // While there is a connection.
let inputEnded = false;
let askedAt = 0;
let end = () => {}; // Ends the work on this connection.

/* Replace the file as a whole: the program may be killed at any moment. */
function save() {
  const file = fs.openSync(`${path}.new`, "w");
  fs.writeSync(file, JSON.stringify(state));
  fs.fsyncSync(file);
  fs.closeSync(file);
  fs.renameSync(`${path}.new`, path);
}

/* Here your program acts; should it be killed before `save`, the same id comes again. */
function tell(what, envelope) {
  process.stdout.write(`${JSON.stringify({ [what]: envelope })}\n`);
}

function isDone() {
  return inputEnded && Object.keys(state.waiting).length === 0;
}

/* Write a command down, then publish it; what fails goes out on the next connection. */
function send(type, data) {
  const command = { specversion: "1.0", id: randomUUID(), type, data };
  command.source = `urn:flexspine:user:${user}`;
  command.time = new Date().toISOString();
  state.waiting[command.id] = [type, JSON.stringify(command)];
  save();
  publish(command.id);
}

/* Give a command to the broker. The answer says that it is settled; until then it is kept. */
function publish(id) {
  if (channel === null) return;
  const [type, body] = state.waiting[id];
  const properties = {
    contentType: "application/cloudevents+json",
    persistent: true,
    userId: account, // The broker vouches for it: it is the account or nothing.
    replyTo: `${user}.replies`,
  };
  try {
    channel.publish("flex.commands", type, Buffer.from(body), properties, (refused) => {
      // A full mailbox refuses for the moment: the next connection sends it again.
      if (refused) end(refused);
    });
  } catch (error) {
    end(error); // A channel that is just being closed throws.
  }
}

/* Give up what the broker refuses by its type: it would end every connection to come. */
function dropRefused(error) {
  for (const [id, [type]] of Object.entries(state.waiting)) {
    if (!String(error).includes(`access to topic '${type}' in exchange`)) continue;
    tell("refused", { id, type, advice: ADVICE });
    delete state.waiting[id];
  }
  save();
}

/* An answer settles its command; `held` is a notice only, and the outcome follows. */
function hearReply(envelope) {
  const sent = state.waiting[envelope.correlationid];
  // One that does not wait is settled: a repeat.
  if (sent === undefined || envelope.type.includes(".held.")) return;
  delete state.waiting[envelope.correlationid];
  if (sent[0] !== REPLAY) tell("reply", envelope);
}

/* Act on events in their order and once each; those behind a gap wait for it to close. */
function hearEvent(envelope) {
  if (envelope.sequence === undefined) {
    hearReply(envelope); // An answer that could not go to the replies.
    return;
  }
  if (!state.ids.includes(envelope.id) && Number(envelope.sequence) > state.last) {
    state.ids = [...state.ids, envelope.id].slice(-1000);
    state.ahead[envelope.sequence] = envelope;
  }
  act();
  const data = envelope.data;
  if (envelope.type === ENDED && data.from_sequence <= state.last + 1) {
    // What the replay did not bring may not be seen any more: it is waited for no longer.
    while (state.last < data.upto) {
      state.last += 1;
      act();
    }
  }
}

/* Act on whatever follows without a gap on what was acted on. */
function act() {
  for (let next; (next = state.ahead[state.last + 1]) !== undefined; ) {
    tell("event", next);
    state.last += 1;
    delete state.ahead[state.last];
  }
}

/* As long as there is a gap, ask for what is missing; who asks too soon is refused. */
function closeGaps() {
  const asked = Object.values(state.waiting).some(([type]) => type === REPLAY);
  const hasGap = Object.keys(state.ahead).length > 0;
  if (!hasGap || asked || Date.now() < askedAt + AGAIN_MS) return;
  askedAt = Date.now();
  send(REPLAY, { from_sequence: state.last + 1 });
}

/* Act, keep, acknowledge, in this order: after a failure in between it comes again. */
function acknowledging(on, hear) {
  return (message) => {
    if (message === null) return end(new Error("the queue is gone"));
    hear(JSON.parse(message.content.toString("utf8")));
    save();
    // An old channel's message comes again on the new one.
    if (on === channel) on.ack(message);
    closeGaps();
    if (isDone()) end();
  };
}

/* Listen, send again what nobody has answered, and stay until the connection ends. */
async function work(connection) {
  connection.on("error", () => {}); // Without this it would end the program.
  const opened = await connection.createConfirmChannel();
  const lost = new Promise((resolve, reject) => {
    const lose = (error) => {
      channel = null; // At once: what is sent from now on waits for the next connection.
      dropRefused(error);
      reject(error ?? new Error("the connection ended"));
    };
    end = (error) => (error ? lose(error) : resolve());
    for (const one of [connection, opened]) one.on("error", lose).on("close", lose);
  });
  lost.catch(() => {}); // It may be lost before it is waited for.
  await opened.prefetch(100);
  // Queues and exchanges are there; no account may declare any. So is the binding, and to bind what
  // is bound changes nothing. With less, what is counted and does not come would look like a gap.
  // To be told less, send `subscription.set.v1`: what is off is not counted.
  await opened.bindQueue(`${user}.events`, "flex.events", `${user}.#`);
  channel = opened;
  await opened.consume(`${user}.replies`, acknowledging(opened, hearReply));
  await opened.consume(`${user}.events`, acknowledging(opened, hearEvent));
  // The same id with the same bytes takes effect once, however often it is sent.
  Object.keys(state.waiting).forEach(publish);
  if (isDone()) end();
  await lost;
}

async function main() {
  const input = readline.createInterface({ input: process.stdin });
  input.on("line", (line) => send(JSON.parse(line).type, JSON.parse(line).data));
  input.on("close", () => {
    inputEnded = true;
    if (isDone()) end();
  });
  const looking = setInterval(closeGaps, 1000);
  while (!isDone()) {
    let connection = null;
    try {
      connection = await amqp.connect(`${url}${url.includes("?") ? "&" : "?"}heartbeat=10`);
      await work(connection);
    } catch (error) {
      console.error(`connecting again after ${error}`);
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
    channel = null;
    await Promise.resolve(connection).then((one) => one?.close()).catch(() => {});
  }
  clearInterval(looking);
}

main();
