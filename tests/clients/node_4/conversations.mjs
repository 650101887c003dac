// openai-node 4: ids by position, as most programs of the Assistants era pass them.
import OpenAI, { AzureOpenAI } from "openai";
import { WEATHER, answered, everything, heard, texts } from "../listening.mjs";

// Azure's clients read names of their own.
const client = process.env.AZURE_OPENAI_ENDPOINT ? new AzureOpenAI() : new OpenAI();
const { assistants, threads } = client.beta;

async function started(tools, said) {
  const { id } = await assistants.create({ model: "scripted", instructions: "Be brief.", tools });
  const thread = await threads.create({ messages: [{ role: "user", content: said }] });
  return [id, thread];
}

async function twoTurns() {
  const [assistant_id, thread] = await started([], "你好");
  const stream = threads.runs.stream(thread.id, { assistant_id });
  const events = heard(stream);
  const first = await stream.finalRun();
  const spoken = texts(await stream.finalMessages());

  await threads.messages.create(thread.id, { role: "user", content: "What did I say?" });
  const run = await threads.runs.createAndPoll(thread.id, { assistant_id });
  const latest = await threads.messages.list(thread.id, { run_id: run.id });
  // One a page: the iterator asks for the others.
  const list = threads.messages.list(thread.id, { order: "asc", limit: 1 });
  const steps = await everything(threads.runs.steps.list(thread.id, run.id));
  return {
    answers: [...spoken, ...texts(latest.data)],
    events,
    statuses: [first.status, run.status],
    listed: texts(await everything(list)),
    steps: steps.map((step) => [step.type, step.status]),
    same: (await threads.runs.retrieve(thread.id, run.id)).id === run.id,
    deleted: (await threads.del(thread.id)).deleted,
  };
}

async function aFunction() {
  const [assistant_id, thread] = await started([WEATHER], "How is 北京?");
  const asking = threads.runs.stream(thread.id, { assistant_id });
  const events = heard(asking);
  const run = await asking.finalRun();
  const [called, tool_outputs] = answered(run);

  const answering = threads.runs.submitToolOutputsStream(thread.id, run.id, { tool_outputs });
  const after = heard(answering);
  const answers = texts(await answering.finalMessages());
  const list = threads.runs.steps.list(thread.id, run.id, { order: "asc" });
  const steps = await everything(list);
  return {
    answers,
    called,
    events: [...events, ...after],
    statuses: [run.status, (await answering.finalRun()).status],
    steps: steps.map((step) => [step.type, step.status]),
    output: steps[0].step_details.tool_calls[0].function.output,
  };
}

async function chat() {
  const asked = { model: "scripted", messages: [{ role: "user", content: "你好" }] };
  const whole = await client.chat.completions.create(asked);
  let streamed = "";
  for await (const chunk of await client.chat.completions.create({ ...asked, stream: true })) {
    streamed += chunk.choices[0]?.delta.content ?? "";
  }
  return [whole.choices[0].message.content, streamed];
}

const conversation = { two_turns: twoTurns, function: aFunction, chat }[process.argv[2]];
console.log(JSON.stringify(await conversation()));
