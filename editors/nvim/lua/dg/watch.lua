--- The denoising view: the canvas of a fill settles over the hole at the cursor.
local client = require('dg.client')

local api = vim.api
local M = {}

local namespace = api.nvim_create_namespace('dg.watch')
-- A small model takes a step in less time than the eye needs.
local FRAME_MS = 80
-- The protocol reads what is beyond a line's end as that end.
local LINE_END = 2 ^ 31 - 1
local KEYS = { ['<CR>'] = 'accept', ['<C-c>'] = 'stop', ['<Esc>'] = 'stop' }
local MODES = { 'n', 'i' }

---@class dg.View
---@field id integer
---@field buf integer
---@field server vim.lsp.Client
---@field request? integer
---@field frames table[] Drafts that were not shown yet.
---@field answer? table|false What `dg/watch` answered, false without a middle.
---@field tick integer
---@field timer uv.uv_timer_t
---@field mapped table[] The buffer's own mappings of our keys, each with its mode.

---@type dg.View?
local view
local last_id = 0

-- What is painted is also kept for whoever wants to look (`:lua =require('dg.watch').seen()`).
local seen = {}

--- The steps that the last view showed, each as {step, steps, text, settled}.
function M.seen()
  return seen
end

local function lines_of(chunks)
  local lines = { {} }
  for _, chunk in ipairs(chunks) do
    for i, part in ipairs(vim.split(chunk[1], '\n', { plain = true })) do
      if i > 1 then
        table.insert(lines, {})
      end
      if part ~= '' then
        table.insert(lines[#lines], { part, chunk[2] })
      end
    end
  end
  return lines
end

--- Underline the pinned head of the suffix, which stands behind the hole.
local function underline(row, col, pinned)
  local lines = vim.split(pinned, '\n', { plain = true })
  local stop_row, stop_col = row + #lines - 1, (#lines == 1 and col or 0) + #lines[#lines]
  local stop = { end_row = stop_row, end_col = stop_col, hl_group = 'DgWatchPinned', strict = false }
  api.nvim_buf_set_extmark(view.buf, namespace, row, col, stop)
end

local function paint(range, chunks, pinned, caption)
  api.nvim_buf_clear_namespace(view.buf, namespace, 0, -1)
  local encoding = view.server.offset_encoding
  local row, stop_row = range.start.line, range['end'].line
  local col, stop_col = client.byte(view.buf, range.start, encoding), client.byte(view.buf, range['end'], encoding)
  local lines = lines_of(chunks)
  table.insert(lines, { { caption, 'DgWatchCaption' } })
  api.nvim_buf_set_extmark(view.buf, namespace, row, col, {
    end_row = stop_row,
    end_col = stop_col,
    hl_group = 'DgWatchHole',
    virt_text = lines[1],
    virt_lines = vim.list_slice(lines, 2),
    virt_text_pos = 'inline',
  })
  if pinned and pinned ~= '' then
    underline(stop_row, stop_col, pinned)
  end
end

local function paint_draft(draft)
  local chunks, settled = {}, 0
  for i, slot in ipairs(draft.slots) do
    settled = settled + (draft.settled[i] and 1 or 0)
    local empty = slot == '' and not draft.settled[i]
    table.insert(chunks, { empty and '·' or slot, draft.settled[i] and 'DgWatchSettled' or 'DgWatchDraft' })
  end
  local caption = ('step %d/%d'):format(draft.step, draft.steps)
  if #draft.slots > 0 then
    caption = ('%s, %d of %d slots settled'):format(caption, settled, #draft.slots)
  else -- a draft that grows, of a model without a denoiser
    chunks = { { draft.text, 'DgWatchDraft' } }
  end
  paint(draft.range, chunks, draft.pinned, caption)
  table.insert(seen, { step = draft.step, steps = draft.steps, text = draft.text, settled = settled })
end

local function next_frame()
  if not view then
    return
  elseif #view.frames > 0 then
    paint_draft(table.remove(view.frames, 1))
  elseif view.answer == false then
    M.stop()
  elseif view.answer then
    view.timer:stop()
    local it = view.answer
    local how = ('%s, %.0f %% sure · <CR> takes it, <C-c> does not'):format(it.source, 100 * it.confidence)
    paint(it.range, { { it.middle, 'DgWatchSettled' } }, nil, how)
  end
end

local function map_keys()
  for key, action in pairs(KEYS) do
    for _, mode in ipairs(MODES) do
      local old = vim.fn.maparg(key, mode, false, true)
      if old.buffer == 1 then
        table.insert(view.mapped, { mode, old })
      end
    end
    vim.keymap.set(MODES, key, M[action], { buffer = view.buf, nowait = true, desc = 'dg watch: ' .. action })
  end
end

local function unmap_keys(it)
  for key in pairs(KEYS) do
    pcall(vim.keymap.del, MODES, key, { buffer = it.buf })
  end
  for _, mapping in ipairs(it.mapped) do
    vim.fn.mapset(mapping[1], false, mapping[2])
  end
end

local function answered(id, failure, result)
  if not view or view.id ~= id then
    return
  end
  view.request = nil
  view.answer = result or false -- without one the server told why there is nothing
  if failure then
    client.say(failure.message, vim.log.levels.WARN)
  end
end

--- Fill the hole at the cursor and show every step.
function M.start()
  M.stop()
  local buf = api.nvim_get_current_buf()
  local server = client.get(buf)
  if not server then
    client.say('the server does not serve this buffer: see `:Dg status`', vim.log.levels.WARN)
    return
  elseif not vim.bo[buf].modifiable then
    client.say("this buffer cannot be changed: 'modifiable' is off", vim.log.levels.WARN)
    return
  end
  last_id = last_id + 1
  local id = last_id
  seen = {}
  view = { id = id, buf = buf, server = server, frames = {}, mapped = {}, timer = assert(vim.uv.new_timer()) }
  view.tick = api.nvim_buf_get_changedtick(buf)
  local params = vim.lsp.util.make_position_params(0, server.offset_encoding)
  params.watch = id
  if api.nvim_get_mode().mode == 'n' and vim.fn.charcol('.') + 1 >= vim.fn.charcol('$') then
    params.position.character = LINE_END -- on a line's last character the cursor means what comes behind it
  end
  view.request = client.request(server, 'dg/watch', params, function(failure, result)
    answered(id, failure, result)
  end, buf)
  map_keys()
  view.timer:start(FRAME_MS, FRAME_MS, vim.schedule_wrap(next_frame))
end

--- Take in a `dg/draft` of the server.
function M.draft(draft)
  if view and draft.watch == view.id then
    table.insert(view.frames, draft)
  end
end

--- Whether a fill is shown.
---@return boolean
function M.active()
  return view ~= nil
end

--- Whether the last view has nothing more to show: its answer is painted, or there is none.
---@return boolean
function M.done()
  return not view or (view.answer and #view.frames == 0)
end

--- End the view without a change; the engine stops.
function M.stop()
  local it = view
  view = nil
  if not it then
    return
  end
  it.timer:stop()
  it.timer:close()
  if it.request and not client.call(it.server, 'is_stopped') then
    client.call(it.server, 'cancel_request', it.request)
  end
  if api.nvim_buf_is_valid(it.buf) then
    api.nvim_buf_clear_namespace(it.buf, namespace, 0, -1)
    unmap_keys(it)
  end
end

--- Put the answer into the text, once it is there.
function M.accept()
  local it = view
  if not it or not it.answer then
    return
  end
  M.stop()
  local edit = { range = it.answer.range, newText = it.answer.middle }
  vim.lsp.util.apply_text_edits({ edit }, it.buf, it.server.offset_encoding)
end

--- End the view when the text changes or its buffer is left. Once.
function M.setup()
  api.nvim_create_autocmd({ 'TextChanged', 'TextChangedI', 'BufLeave', 'BufUnload', 'LspDetach' }, {
    group = api.nvim_create_augroup('dg.watch', {}),
    callback = function(event)
      local changed = view and api.nvim_buf_get_changedtick(view.buf) ~= view.tick
      if view and view.buf == event.buf and (changed or not event.event:match('^Text')) then
        M.stop()
      end
    end,
  })
end

return M
