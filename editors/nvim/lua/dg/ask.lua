--- textDocument/inlineCompletion asked by ourselves, the latest request alone.
local client = require('dg.client')

local api = vim.api
local M = {}

---@enum dg.Kind of the protocol's InlineCompletionTriggerKind
M.BY_HAND, M.AUTOMATIC = 1, 2

---@type table<integer, { client: vim.lsp.Client, id: integer }>
local running = {}

--- Take back the request of a buffer.
---@param buf integer
function M.cancel(buf)
  local request = running[buf]
  running[buf] = nil
  -- Neovim takes requests back too, at the end of insert mode for instance.
  local pending = request and request.client.requests[request.id]
  if pending and pending.type == 'pending' and not client.call(request.client, 'is_stopped') then
    client.call(request.client, 'cancel_request', request.id)
  end
end

--- Whether a request of a buffer waits for its answer.
---@param buf integer
---@return boolean
function M.waits(buf)
  return running[buf] ~= nil
end

local function moment(buf)
  local row, col = unpack(api.nvim_win_get_cursor(0))
  return { buf = api.nvim_get_current_buf() == buf, tick = api.nvim_buf_get_changedtick(buf), row = row, col = col }
end

--- The range of an item in bytes; that of an item without one is empty and at the cursor.
local function range_of(buf, item, encoding)
  local row, col = unpack(api.nvim_win_get_cursor(0))
  if not item.range then
    return { row = row - 1, col = col, stop = col }
  end
  local start, stop = item.range.start, item.range['end']
  return {
    row = start.line,
    col = client.byte(buf, start, encoding),
    stop = client.byte(buf, stop, encoding),
  }
end

--- Ask for suggestions at the cursor. `on_items(texts, range)` is called when there are some and nothing has moved.
---@param buf integer The current buffer.
---@param kind integer
---@param on_items fun(texts: string[], range: table)
function M.ask(buf, kind, on_items)
  M.cancel(buf)
  local server = client.get(buf)
  if not server then
    return
  end
  local params = vim.lsp.util.make_position_params(0, server.offset_encoding)
  params.context = { triggerKind = kind }
  local asked = moment(buf)
  local id
  id = client.request(server, 'textDocument/inlineCompletion', params, function(_, result)
    if running[buf] and running[buf].id == id then
      running[buf] = nil
    end
    local items = result and (result.items or result) or {}
    if #items == 0 or api.nvim_get_mode().mode:sub(1, 1) ~= 'i' or not vim.deep_equal(moment(buf), asked) then
      return
    end
    local texts = vim.tbl_map(function(item)
      return item.insertText
    end, items)
    on_items(texts, range_of(buf, items[1], server.offset_encoding))
  end, buf)
  running[buf] = id and { client = server, id = id } or nil
end

return M
