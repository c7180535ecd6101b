--- `:Dg` and its subcommands.
local client = require('dg.client')
local requests = require('dg.requests')

local M = {}

---@class dg.Command
---@field help string
---@field arguments? string[] The words that it takes.
---@field number? string What the number is that it takes.
---@field run fun(argument?: string, range?: integer[])

--- A scratch window with lines of text, closed with `q`.
local function show(title, lines)
  vim.cmd.new({ mods = { split = 'botright' } })
  local buf = vim.api.nvim_get_current_buf()
  vim.api.nvim_buf_set_name(buf, ('dg://%s/%d'):format(title, buf))
  vim.api.nvim_buf_set_lines(buf, 0, -1, false, lines)
  vim.bo[buf].buftype, vim.bo[buf].bufhidden, vim.bo[buf].swapfile = 'nofile', 'wipe', false
  vim.bo[buf].modifiable = false
  vim.keymap.set('n', 'q', '<Cmd>bwipeout<CR>', { buffer = buf })
end

local function doctor()
  if not client.executable() then
    return
  end
  client.say('the doctor is looking ...')
  vim.system(require('dg.config').doctor(), { text = true }, function(done)
    vim.schedule(function()
      show('doctor', vim.split(vim.trim(done.stdout .. done.stderr), '\n', { plain = true }))
    end)
  end)
end

local function stop_engine()
  if not client.executable() then
    return
  end
  local words = require('dg.config').engine('stop')
  if not words then
    local program = require('dg.config').options.cmd[1]
    client.say(('there is no dg-engine beside `%s`'):format(program), vim.log.levels.ERROR)
    return
  end
  vim.system(words, { text = true }, function(done)
    vim.schedule(function()
      local said = vim.split(vim.trim(done.stdout .. done.stderr), '\n', { plain = true })
      if done.code == 0 then
        client.say('engine ' .. said[#said])
      else
        client.say('the engine could not be stopped: ' .. said[#said], vim.log.levels.ERROR)
      end
    end)
  end)
end

local function switch(on)
  return function(where)
    require('dg.suggest').enable(on, where)
  end
end

local function model(what)
  if what == 'stop' then
    require('dg.model').stop()
    return
  end
  local of = requests.server()
  if of then
    require('dg.model').choose(of)
  end
end

local WHERE = { 'buffer', 'filetype' }

---@type table<string, dg.Command>
local commands = {
  start = { help = 'start the server', run = client.start },
  stop = {
    help = 'stop the server (the engine stops by itself when nobody uses it)',
    run = function()
      client.stop()
    end,
  },
  restart = {
    help = 'stop the server and start it again',
    run = function()
      client.stop(client.start)
    end,
  },
  stop_engine = { help = 'end the engine, which frees its memory; the next request starts another', run = stop_engine },
  model = { help = 'choose a model, or stop its download', arguments = { 'stop' }, run = model },
  enable = { help = 'suggestions come by themselves: everywhere, or here', arguments = WHERE, run = switch(true) },
  disable = { help = 'suggestions come on request alone: everywhere, or here', arguments = WHERE, run = switch(false) },
  status = { help = 'how the server is', run = requests.status },
  explain = { help = 'why there was no suggestion', run = requests.explain },
  log = {
    help = 'what the server logged',
    run = function()
      show('log', #client.log > 0 and client.log or { 'The server has logged nothing so far.' })
    end,
  },
  doctor = { help = 'what is wrong with the installation', run = doctor },
  fill = { help = 'fill the empty function around the cursor', run = requests.fill },
  rewrite = {
    help = 'put another text in the place of the selection',
    run = function(_, range)
      requests.rewrite(range)
    end,
  },
  snooze = {
    help = 'no suggestions by themselves for 10 minutes, or more; 0 ends it',
    number = 'MINUTES',
    run = requests.snooze,
  },
  watch = {
    help = 'fill the hole at the cursor and show every step',
    arguments = { 'accept', 'stop' },
    run = function(what)
      require('dg.watch')[what or 'start']()
    end,
  },
}

commands.help = {
  help = 'this list',
  run = function()
    local lines = {}
    for _, name in ipairs(M.names()) do
      local arguments = commands[name].number or table.concat(commands[name].arguments or {}, '|')
      local shown = name .. (arguments ~= '' and (' [%s]'):format(arguments) or '')
      table.insert(lines, (':Dg %-26s %s'):format(shown, commands[name].help))
    end
    show('help', lines)
  end,
}

--- The names of the subcommands.
---@return string[]
function M.names()
  local names = vim.tbl_keys(commands)
  table.sort(names)
  return names
end

--- Whether a command takes an argument.
local function takes(command, argument)
  if command.number then
    return tonumber(argument) ~= nil
  end
  return vim.tbl_contains(command.arguments or {}, argument)
end

--- Run `:Dg` with its words. With a range and without words the selection is rewritten.
---@param words string[]
---@param range? integer[] The first and the last line.
function M.run(words, range)
  local name, argument = words[1] or (range and 'rewrite' or 'help'), words[2]
  local command = commands[name]
  if not command then
    client.say(('there is no `:Dg %s`: see `:Dg help`'):format(name), vim.log.levels.WARN)
  elseif #words > 2 or (argument and not takes(command, argument)) then
    local what = command.number or table.concat(command.arguments or { 'nothing' }, ' or ')
    client.say(('`:Dg %s` takes %s'):format(name, what), vim.log.levels.WARN)
  elseif name ~= 'help' and not require('dg').ready then
    client.say('call `require("dg").setup()` in your init.lua first', vim.log.levels.ERROR)
  else
    command.run(argument, range)
  end
end

--- The words that can stand at the end of a command line, which may hold more before `:Dg`.
---@param lead string
---@param line string
---@return string[]
function M.complete(lead, line)
  local words = vim.split(vim.trim(line:sub(1, #line - #lead)):match('.*%f[%a](Dg%f[%A].*)') or '', '%s+')
  local candidates = {}
  if #words == 1 then
    candidates = M.names()
  elseif #words == 2 then
    candidates = (commands[words[2]] or {}).arguments or {}
  end
  return vim.tbl_filter(function(word)
    return vim.startswith(word, lead)
  end, candidates)
end

return M
