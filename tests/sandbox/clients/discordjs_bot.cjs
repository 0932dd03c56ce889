// A small bot in discord.js: a command with a file, buttons, a modal and an Apps menu.
"use strict";

const {
  ApplicationCommandType,
  AttachmentBuilder,
  Client,
  Events,
  GatewayIntentBits,
  MessageFlags,
  Options,
} = require("discord.js");

const api = process.env.DISCORD_API_URL.replace(/\/v10$/, "");
const client = new Client({
  intents: [GatewayIntentBits.Guilds, GatewayIntentBits.GuildMessages],
  rest: { api },
  makeCache: Options.cacheEverything(),
});

const layout = (text) => [
  { type: 10, content: text },
  { type: 12, items: [{ media: { url: "attachment://grid.png" }, description: text }] },
  {
    type: 1,
    components: [
      { type: 2, style: 1, custom_id: "again", label: "Again" },
      { type: 2, style: 2, custom_id: "ask", label: "Ask" },
    ],
  },
];

const shown = async (text, url) => {
  const data = Buffer.from(await (await fetch(url)).arrayBuffer());
  return {
    flags: MessageFlags.IsComponentsV2,
    components: layout(text),
    files: [new AttachmentBuilder(data, { name: "grid.png" })],
  };
};

const modal = {
  title: "Ask",
  custom_id: "asked",
  components: [
    { type: 18, label: "Words", component: { type: 4, custom_id: "words", style: 1, max_length: 100 } },
  ],
};

client.once(Events.ClientReady, async () => {
  await client.application.commands.set([
    {
      name: "show",
      description: "Show a picture",
      options: [
        { type: 3, name: "text", description: "text", required: true },
        { type: 11, name: "image", description: "image", required: true },
      ],
    },
    { name: "Look", type: ApplicationCommandType.Message },
  ]);
});

client.on(Events.InteractionCreate, async (interaction) => {
  if (interaction.isMessageContextMenuCommand()) {
    await interaction.reply(interaction.targetMessage.attachments.first().name);
  } else if (interaction.isChatInputCommand()) {
    await interaction.deferReply();
    const image = interaction.options.getAttachment("image");
    await interaction.editReply(await shown(interaction.options.getString("text"), image.url));
    await interaction.followUp("done");
  } else if (interaction.isButton() && interaction.customId === "ask") {
    await interaction.showModal(modal);
  } else if (interaction.isButton()) {
    await interaction.deferReply();
    const gallery = interaction.message.components.find((one) => one.type === 12);
    await interaction.editReply(await shown("again", gallery.items[0].media.url));
  } else if (interaction.isModalSubmit()) {
    const words = interaction.fields.getTextInputValue("words");
    await interaction.reply({ content: words, flags: MessageFlags.Ephemeral });
  }
});

client.on(Events.Error, (error) => console.error(error));
client.login(process.env.DISCORD_TOKEN);
