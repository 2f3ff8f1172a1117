// A device that does what it is told on standard input, with mqtt.js.
//
// Settings and lines as those of `device_paho.py`; `tests/src/device.rs` tells them.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import mqtt from "mqtt";

const settings = JSON.parse(process.argv[2]);
const say = (words) => process.stdout.write(JSON.stringify(words) + "\n");
const read = (file) => (file ? readFileSync(file) : undefined);

const client = mqtt.connect({
  protocol: "mqtts",
  host: settings.host,
  port: settings.port,
  ca: read(settings.ca),
  cert: read(settings.certificate),
  key: read(settings.key),
  username: settings.user,
  password: settings.password,
  protocolVersion: settings.version,
  clientId: settings.clientId,
  keepalive: settings.keepAlive ?? 60,
  reconnectPeriod: 0,
});

let reason = null;
let hasEnded = false;
client.on("connect", (packet) => say({ connected: true, properties: packet.properties ?? {} }));
client.on("disconnect", (packet) => (reason = packet.reasonCode));
client.on("error", (error) => say({ error: error.message, refused: error.code }));
client.on("close", () => {
  if (!hasEnded) say({ disconnected: reason });
  hasEnded = true;
});
client.on("message", (topic, payload, { qos, retain, properties }) =>
  say({
    topic,
    payload: payload.toString("hex"),
    qos,
    retained: retain,
    contentType: properties?.contentType ?? null,
    correlation: properties?.correlationData?.toString("hex") ?? null,
  }),
);

const answer = (n) => (error, packet) => {
  if (error && error.code === undefined) return say({ n, failed: error.message });
  say({ n, reason: error ? error.code : (packet?.reasonCode ?? 0) });
};

function publish({ n, topic, payload, response, correlation, qos }) {
  const properties = {};
  if (response !== undefined) properties.responseTopic = response;
  if (correlation !== undefined) properties.correlationData = Buffer.from(correlation, "hex");
  const options = { qos: qos ?? 1 };
  if (settings.version === 5) options.properties = properties;
  client.publish(topic, Buffer.from(payload, "hex"), options, answer(n));
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const order = JSON.parse(line);
  if (order.do === "publish") publish(order);
  if (order.do === "close") client.end();
  if (order.do === "subscribe") {
    client.subscribe(order.topic, { qos: order.qos ?? 1 }, (error, granted) => {
      if (error) return say({ n: order.n, reason: error.code ?? 128, failed: error.message });
      say({ n: order.n, reason: granted[0].qos });
    });
  }
});
