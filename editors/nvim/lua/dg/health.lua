--- `:checkhealth dg`
local M = {}

local health = vim.health
local WAIT_MS = 20000

local function neovim()
  health.start('dg: Neovim')
  local version = tostring(vim.version())
  if vim.lsp.inline_completion then
    health.ok(version .. ', suggestions are shown by Neovim itself (vim.lsp.inline_completion)')
  elseif vim.system and vim.lsp.get_clients then
    health.ok(version .. ', suggestions are shown by this plugin')
  else
    health.error(version .. ' is too old', { 'install Neovim 0.10 or newer' })
  end
end

--- What a command prints, in lines, and its exit status.
local function run(words)
  local ok, process = pcall(vim.system, words, { text = true, timeout = WAIT_MS })
  if not ok then
    return 127, { tostring(process) }
  end
  local done = process:wait()
  return done.code, vim.split(vim.trim(done.stdout .. '\n' .. done.stderr), '\n', { plain = true, trimempty = true })
end

--- The server's program; whether it can be started.
local function server(cmd)
  health.start('dg: server')
  local path = vim.fn.exepath(cmd[1] or '')
  if path == '' then
    health.error(('`%s` was not found'):format(cmd[1] or ''), {
      'run `make install` in its repository, which installs it and puts it on PATH',
      'or name it: require("dg").setup({ cmd = { "/path/to/dg-lsp" } })',
    })
    return
  end
  health.ok(path)
  local code, lines = run(require('dg.config').doctor())
  for _, line in ipairs(lines) do
    health.info(line)
  end
  if code == 0 then
    health.ok('`dg-lsp doctor` finds nothing wrong')
  else
    health.warn('`dg-lsp doctor` finds something wrong: see above')
  end
end

--- Which buffers a server serves, and how it is.
local function server_of(client)
  local buffers = {}
  for buf in pairs(client.attached_buffers) do
    table.insert(buffers, vim.fn.fnamemodify(vim.api.nvim_buf_get_name(buf), ':t'))
  end
  table.sort(buffers)
  local info = client.server_info
  local where = client.root_dir and (' (in %s)'):format(vim.fn.fnamemodify(client.root_dir, ':~')) or ''
  health.ok(('version %s serves: %s%s'):format(info and info.version or '?', table.concat(buffers, ', '), where))
  local status = require('dg.status').of(client)
  if status then
    local say = status.kind == 'Error' and health.error or status.kind == 'Warning' and health.warn or health.info
    say(status.message)
  end
end

local function servers()
  health.start('dg: buffers')
  local clients = vim.lsp.get_clients({ name = require('dg.client').NAME })
  if #clients == 0 then
    health.warn('the server serves no buffer', { 'open a file of one of setup{ filetypes }, or run `:Dg start`' })
  end
  vim.iter(clients):each(server_of)
end

local function has(module)
  return package.loaded[module] ~= nil or #vim.api.nvim_get_runtime_file(('lua/%s/init.lua'):format(module), false) > 0
end

local function neighbours()
  health.start('dg: keys and neighbours')
  local tab = vim.fn.maparg('<Tab>', 'i', false, true)
  if vim.tbl_isempty(tab) then
    health.ok('<Tab> in insert mode is not mapped')
  else
    health.info(('<Tab> in insert mode is mapped: %s'):format(tab.desc or tab.rhs or 'a function'))
  end
  local others = {}
  for _, other in ipairs(vim.lsp.get_clients()) do
    if other.name ~= 'dg' and (other.server_capabilities or {}).inlineCompletionProvider then
      table.insert(others, other.name)
    end
  end
  if #others > 0 then
    health.warn('more servers suggest inline: ' .. table.concat(others, ', '), {
      'Neovim shows one of all: next and previous ask dg alone; `:Dg disable` leaves the others alone',
    })
  end
  if vim.g.loaded_copilot or has('copilot') or vim.fn.exists(':Copilot') == 2 then
    health.warn('Copilot is here: two ghost texts may lie over each other', { '`:Copilot disable` or `:Dg disable`' })
  elseif #others == 0 then
    health.ok('nothing else suggests inline')
  end
  for _, menu in ipairs({ 'cmp', 'blink.cmp' }) do
    if package.loaded[menu] then
      health.info(('%s is loaded: leave its own ghost text off (see |dg-menus|)'):format(menu))
    end
  end
end

function M.check()
  neovim()
  if not require('dg').ready then
    health.warn('the plugin is not set up', { 'call `require("dg").setup()` in your init.lua' })
  end
  server(require('dg.config').options.cmd)
  servers()
  neighbours()
end

return M
