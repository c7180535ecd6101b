--- The language server: started, stopped, asked. What differs between versions of Neovim's client stands here.
local config = require('dg.config')
local status = require('dg.status')

local M = {}

M.NAME = 'dg'
local MARKERS = { '.git', 'pyproject.toml', 'package.json', 'Cargo.toml', 'go.mod' }
local LOG_LINES = 500

-- From 0.11 on the functions of a client are methods, and `vim.lsp.config` is there.
local METHODS = vim.lsp.config ~= nil

---@type string[] What the server logged, oldest first.
M.log = {}

--- The server of a buffer, or any.
---@param buf? integer
---@return vim.lsp.Client?
function M.get(buf)
  return vim.lsp.get_clients({ name = M.NAME, bufnr = buf })[1]
end

--- Do something soon; nothing in a buffer that dg does not serve.
---@param action fun()
---@return boolean
function M.where_served(action)
  local served = M.get(vim.api.nvim_get_current_buf()) ~= nil
  if served then
    vim.schedule(action)
  end
  return served
end

--- Call a function of a client.
function M.call(client, name, ...)
  if METHODS then
    return client[name](client, ...)
  end
  return client[name](...)
end

--- Send a request; its id, or nil when the server is gone.
---@return integer?
function M.request(client, method, params, handler, buf)
  local sent, id = M.call(client, 'request', method, params, handler, buf)
  return sent and id or nil
end

--- The byte at which a character of the protocol begins in a line of a buffer. Lines and bytes from 0.
---@param buf integer
---@param position lsp.Position
---@param encoding string
---@return integer
function M.byte(buf, position, encoding)
  local line = vim.api.nvim_buf_get_lines(buf, position.line, position.line + 1, false)[1] or ''
  if METHODS then
    return vim.str_byteindex(line, encoding, position.character, false)
  end
  return vim.lsp.util._str_byteindex_enc(line, position.character, encoding)
end

--- Say one line to the user.
function M.say(text, level)
  vim.notify('dg: ' .. text, level or vim.log.levels.INFO)
end

--- Whether the server's program can be started; if not, the user is told what to do.
---@return boolean
function M.executable()
  local program = config.options.cmd[1]
  if program and vim.fn.executable(program) == 1 then
    return true
  end
  local hint = 'run `make install` in its repository or name it: setup{ cmd = { "/path/to/dg-lsp" } }'
  M.say(('the server `%s` was not found; %s'):format(program or '', hint), vim.log.levels.ERROR)
  return false
end

local function log(_, message)
  for line in vim.gsplit(message.message, '\n', { plain = true }) do
    table.insert(M.log, os.date('%H:%M:%S ') .. line)
  end
  while #M.log > LOG_LINES do
    table.remove(M.log, 1)
  end
end

--- What Neovim can, and the ghost text that older ones get from this plugin: without it, the server would put its
--- suggestions into the completion menu.
local function capabilities()
  local all = vim.lsp.protocol.make_client_capabilities()
  all.textDocument.inlineCompletion = all.textDocument.inlineCompletion or { dynamicRegistration = false }
  return all
end

---@return vim.lsp.ClientConfig
local function client_config()
  local options = config.options
  -- An empty Lua table would be sent as an empty list.
  local settings = next(options.settings) and options.settings or vim.empty_dict()
  return {
    name = M.NAME,
    cmd = options.cmd,
    filetypes = options.filetypes,
    capabilities = capabilities(),
    init_options = settings,
    settings = { dg = settings },
    handlers = {
      ['didChangeStatus'] = function(_, params, context)
        status.set(context.client_id, params)
      end,
      ['dg/draft'] = function(_, draft)
        require('dg.watch').draft(draft)
      end,
      ['window/logMessage'] = log,
    },
    on_exit = vim.schedule_wrap(function(_, _, client_id)
      status.set(client_id, nil)
    end),
  }
end

local function is_served(buf)
  return vim.bo[buf].buftype == '' and vim.tbl_contains(config.options.filetypes, vim.bo[buf].filetype)
end

---@type integer? The buffer without a name that is served.
local nameless

--- Buffers without a name have the same URI, so that the server would take two for one: the first alone is served.
local function has_own_uri(buf)
  local function has_no_name(it)
    return vim.api.nvim_buf_is_loaded(it) and vim.api.nvim_buf_get_name(it) == ''
  end
  if not has_no_name(buf) then
    return true
  elseif not nameless or not has_no_name(nameless) or not is_served(nameless) then
    nameless = buf
  end
  return buf == nameless
end

local function attach(buf)
  if not is_served(buf) or not has_own_uri(buf) then
    return
  end
  local own = client_config()
  own.root_dir = vim.fs.root(buf, MARKERS)
  vim.lsp.start(own, {
    bufnr = buf,
    reuse_client = function(client, other) -- by default these versions start a server for each file without a root
      return client.name == M.NAME and client.config.root_dir == other.root_dir and not M.call(client, 'is_stopped')
    end,
  })
end

--- A buffer without a name that is written under one is another document from then on. Neovim treats the one as wiped
--- out, but tells the server nothing.
local function follow_name()
  vim.api.nvim_create_autocmd({ 'BufWipeout', 'BufWritePost' }, {
    group = vim.api.nvim_create_augroup('dg.name', {}),
    callback = function(event)
      local client = event.buf == nameless and M.get(event.buf)
      if client and event.event == 'BufWipeout' then
        vim.lsp.buf_detach_client(event.buf, client.id)
      elseif event.buf == nameless and vim.api.nvim_buf_get_name(event.buf) ~= '' then
        nameless = nil
        if METHODS then
          vim.lsp.enable(M.NAME) -- attaches it to what it serves
        else
          attach(event.buf)
        end
      end
    end,
  })
end

--- Start the server for the buffers that are open and those to come.
function M.start()
  if not M.executable() then
    return
  end
  nameless = nil
  follow_name()
  if METHODS then
    local own = client_config()
    own.root_markers = MARKERS
    own.root_dir = function(buf, attach_in)
      if has_own_uri(buf) then
        attach_in(vim.fs.root(buf, vim.lsp.config[M.NAME].root_markers))
      end
    end
    vim.lsp.config(M.NAME, own)
    vim.lsp.enable(M.NAME)
    return
  end
  local group = vim.api.nvim_create_augroup('dg.start', {})
  vim.api.nvim_create_autocmd('FileType', {
    group = group,
    pattern = config.options.filetypes,
    callback = function(event)
      attach(event.buf)
    end,
  })
  for _, buf in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(buf) then
      attach(buf)
    end
  end
end

--- Stop the server, then call `after`.
---@param after? fun()
function M.stop(after)
  if METHODS then
    vim.lsp.enable(M.NAME, false)
  else
    vim.api.nvim_create_augroup('dg.start', {})
  end
  vim.api.nvim_create_augroup('dg.name', {})
  local clients = vim.lsp.get_clients({ name = M.NAME })
  for _, client in ipairs(clients) do
    if not client._is_stopping then -- from 0.12 on, by `enable`
      M.call(client, 'stop')
    end
  end
  local function wait(left)
    if left > 0 and M.get() then
      vim.defer_fn(function()
        wait(left - 1)
      end, 50)
    elseif after then
      after()
    end
  end
  wait(200)
end

return M
