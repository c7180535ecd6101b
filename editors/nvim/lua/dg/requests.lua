--- What a user asks of the server by a command.
local client = require('dg.client')

local M = {}

--- The server of the current buffer; without one the user is told why.
---@return vim.lsp.Client?
function M.server()
  local buf = vim.api.nvim_get_current_buf()
  local found = client.get(buf)
  if found then
    return found
  end
  local filetype = vim.bo[buf].filetype
  if not client.get() then
    client.say('the server does not run: `:Dg start`, and `:checkhealth dg` if it ends at once', vim.log.levels.WARN)
  elseif not vim.tbl_contains(require('dg.config').options.filetypes, filetype) then
    client.say(('not used for the filetype "%s": add it to setup{ filetypes }'):format(filetype), vim.log.levels.WARN)
  else
    client.say('the server does not serve this buffer: save it to a file and `:edit` it again', vim.log.levels.WARN)
  end
end

local function ask(method, params, on_result)
  local of = M.server()
  if not of then
    return
  end
  client.request(of, method, params, function(failure, result)
    if failure then
      client.say(failure.message, vim.log.levels.ERROR)
    elseif on_result then
      on_result(result)
    end
  end, vim.api.nvim_get_current_buf())
end

--- Tell why there was no suggestion.
function M.explain()
  -- The server itself shows the latest reason.
  ask('workspace/executeCommand', { command = 'dg.explain', arguments = { vim.uri_from_bufnr(0) } })
end

--- Tell how the server is.
function M.status()
  ask('dg/status', vim.empty_dict(), function(it)
    local p50 = it.latency_ms.fills > 0 and it.latency_ms.p50
    local latency = p50 and (', %.0f ms a suggestion (p50)'):format(p50) or ''
    local automatic = require('dg.suggest').on(vim.api.nvim_get_current_buf()) and 'on' or 'off'
    local today = type(it.today) == 'table' and it.today
    local counts = today and ('; today %d of %d suggestions accepted'):format(today.accepted, today.offered) or ''
    client.say(('%s%s; automatic suggestions are %s here%s'):format(it.message, latency, automatic, counts))
  end)
end

--- Run the code action that the server calls `name`, at the cursor or for a range.
local function act(name, range)
  if not M.server() then
    return
  end
  vim.lsp.buf.code_action({
    context = { only = { 'refactor.rewrite' }, diagnostics = {} },
    filter = function(action)
      return type(action.data) == 'table' and action.data.name == name
    end,
    range = range,
    apply = true,
  })
end

--- Fill the empty function around the cursor.
function M.fill()
  act('function')
end

--- Rewrite what is selected where the range is that of the selection, else the lines of the range.
---@param lines? integer[] The first and the last one.
function M.rewrite(lines)
  if not lines then
    client.say("select what to rewrite, then `:'<,'>Dg rewrite`", vim.log.levels.WARN)
    return
  end
  local first, last = vim.fn.getpos("'<"), vim.fn.getpos("'>")
  local by_character = vim.fn.visualmode() == 'v' and first[2] == lines[1] and last[2] == lines[2]
  local width = #vim.fn.getline(lines[2])
  act('selection', {
    start = { lines[1], by_character and first[3] - 1 or 0 },
    ['end'] = { lines[2], math.max(math.min(by_character and last[3] or width, width) - 1, 0) },
  })
end

--- Have all servers of this Neovim be quiet for some minutes.
---@param minutes? string
function M.snooze(minutes)
  local servers = vim.lsp.get_clients({ name = client.NAME })
  if #servers == 0 then
    M.server() -- says why
    return
  end
  local told = false
  for _, of in ipairs(servers) do
    local params = { command = 'dg.snooze', arguments = { tonumber(minutes) or 10 } }
    client.request(of, 'workspace/executeCommand', params, function(_, result)
      if result and not told then -- without a result the server has told why
        told = true
        local until_ = tostring(result.snoozed_until):match('T(%d+:%d+)')
        client.say(until_ and ('snoozed until %s; `:Dg snooze 0` ends it'):format(until_) or 'awake')
      end
    end)
  end
end

return M
