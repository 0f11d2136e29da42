// Works through the gateway as a user of the TypeScript SDK does, and prints what it saw as one line of JSON.
// node client.mjs URL MODE, where MODE is v1, legacy, auto, or a version to pin; the key is in API_KEY.
import * as v2 from "@modelcontextprotocol/client";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as Transport1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [url, mode] = process.argv.slice(2);
const options = { requestInit: { headers: { Authorization: `Bearer ${process.env.API_KEY}` } } };
const info = { name: "foreign", version: "1.0.0" };

function opened() {
  if (mode === "v1") return [new Client1(info), new Transport1(new URL(url), options)];
  const wanted = mode === "legacy" || mode === "auto" ? mode : { pin: mode };
  const client = new v2.Client(info, { versionNegotiation: { mode: wanted } });
  return [client, new v2.StreamableHTTPClientTransport(new URL(url), options)];
}

const [client, transport] = opened();
const call = (params, more) => (mode === "v1" ? client.callTool(params, undefined, more) : client.callTool(params, more));
await client.connect(transport);
const { tools } = await client.listTools();
const sum = await call({ name: "example__add", arguments: { a: 2, b: 40 } });
const refusal = await call({ name: "example__fail", arguments: {} }).then(() => null, (error) => String(error));
const progress = [];
const run = await call(
  { name: "workflow_run", arguments: { workflow: "sum-and-tell", input: { a: 1, b: 2, c: 3, d: 4 } } },
  { onprogress: (one) => progress.push(one.progress) },
);
await client.close();
console.log(
  JSON.stringify({
    version: client.getNegotiatedProtocolVersion?.() ?? transport.protocolVersion,
    tools: tools.map((tool) => tool.name),
    sum: sum.structuredContent,
    refusal,
    output: run.structuredContent.output,
    progress,
  }),
);
