--- Our own ghost text: one suggestion (of several) per buffer, behind the cursor, that follows what is typed.

local api = vim.api
local M = {}

local namespace = api.nvim_create_namespace('dg.ghost')

---@class dg.Shown
---@field texts string[] The candidates: what replaces the text from (row, col) to the cursor and `tail` bytes more.
---@field index integer
---@field row integer From 0.
---@field col integer In bytes, from 0.
---@field tail integer
---@field after string What stood behind the cursor on its line.

---@type table<integer, dg.Shown>
local shown = {}

--- Called when a buffer begins to have ghost text of ours and when that ends: taken, dismissed ("gone"), or because
--- something else was typed ("outdated").
---@type fun(buf: integer, what: 'shown'|'gone'|'outdated')
M.on_change = function() end

local function cursor()
  local row, col = unpack(api.nvim_win_get_cursor(0))
  return row - 1, col
end

local function behind_cursor()
  return api.nvim_get_current_line():sub(select(2, cursor()) + 1)
end

--- What is left of a text when the user has typed its beginning, else nil.
---@param text string
---@param typed string
---@return string?
function M.left_of(text, typed)
  if #text > #typed and text:sub(1, #typed) == typed then
    return text:sub(#typed + 1)
  end
end

--- What of the shown text is still to be inserted at the cursor; nil when it does not fit (any more).
local function rest(buf)
  local it = shown[buf]
  if not it or api.nvim_get_current_buf() ~= buf or behind_cursor() ~= it.after then
    return nil
  end
  local row, col = cursor()
  if row < it.row or (row == it.row and col < it.col) then
    return nil
  end
  if #api.nvim_buf_get_lines(buf, it.row, it.row + 1, false)[1] < it.col then
    return nil
  end
  local typed = table.concat(api.nvim_buf_get_text(buf, it.row, it.col, row, col, {}), '\n')
  return M.left_of(it.texts[it.index], typed)
end

--- Whether an entry of Neovim's own completion menu is selected: its text stands in the buffer for now.
---@return boolean
function M.menu_selected()
  return vim.fn.pumvisible() == 1 and vim.fn.complete_info({ 'selected' }).selected >= 0
end

local function paint(buf, text, it)
  local lines = {}
  for line in vim.gsplit(text, '\n', { plain = true }) do
    table.insert(lines, { { line, 'DgGhost' } })
  end
  if #it.texts > 1 then
    table.insert(lines[#lines], { (' (%d/%d)'):format(it.index, #it.texts), 'DgGhostMore' })
  end
  local row, col = cursor()
  api.nvim_buf_set_extmark(buf, namespace, row, col, {
    virt_text = lines[1],
    virt_lines = vim.list_slice(lines, 2),
    virt_text_pos = it.tail > 0 and 'overlay' or 'inline',
    hl_mode = 'combine',
  })
end

--- Bring the ghost text in step with the buffer, or end it where it does not fit any more.
---@param buf integer
function M.refresh(buf)
  if not shown[buf] then
    return
  end
  if M.menu_selected() then
    api.nvim_buf_clear_namespace(buf, namespace, 0, -1)
    return
  end
  local text = rest(buf)
  if not text then
    M.clear(buf, 'outdated')
    return
  end
  api.nvim_buf_clear_namespace(buf, namespace, 0, -1)
  paint(buf, text, shown[buf])
end

--- Show candidates at the cursor, the `index`-th first. They replace the range from (row, col) to (row, stop).
---@param buf integer
---@param texts string[]
---@param range { row: integer, col: integer, stop: integer }
---@param index? integer
function M.show(buf, texts, range, index)
  local begins = not shown[buf]
  local _, col = cursor()
  shown[buf] = {
    texts = texts,
    index = index or 1,
    row = range.row,
    col = range.col,
    tail = math.max(range.stop - col, 0),
    after = behind_cursor(),
  }
  if begins then
    M.on_change(buf, 'shown')
  end
  M.refresh(buf)
end

--- Take the ghost text away.
---@param buf integer
---@param why? 'gone'|'outdated'
function M.clear(buf, why)
  if not shown[buf] then
    return
  end
  shown[buf] = nil
  if api.nvim_buf_is_valid(buf) then
    api.nvim_buf_clear_namespace(buf, namespace, 0, -1)
    M.on_change(buf, why or 'gone')
  end
end

--- The texts of which one is shown, and which; nil without ghost text of ours.
---@param buf integer
---@return string[]?, integer?
function M.candidates(buf)
  if rest(buf) then
    return shown[buf].texts, shown[buf].index
  end
end

--- Show another candidate, `step` further on.
---@param buf integer
---@param step integer
function M.select(buf, step)
  local it = shown[buf]
  it.index = (it.index - 1 + step) % #it.texts + 1
  M.refresh(buf)
end

--- Insert a piece of the ghost text; the rest stays shown.
---@param buf integer
---@param piece fun(text: string): string
function M.take(buf, piece)
  local text = rest(buf)
  if not text then
    return
  end
  local taken, it = piece(text), shown[buf]
  local row, col = cursor()
  local stop = col + (taken == text and it.tail or 0)
  vim.cmd('let &g:undolevels = &g:undolevels') -- begins a new undo step: what is accepted can be undone alone
  local lines = vim.split(taken, '\n', { plain = true })
  api.nvim_buf_set_text(buf, row, col, row, stop, lines)
  api.nvim_win_set_cursor(0, { row + #lines, (#lines == 1 and col or 0) + #lines[#lines] })
  if taken == text then
    M.clear(buf)
  else
    M.refresh(buf)
  end
end

--- Follow the text, the cursor and the mode. Once.
function M.setup()
  local group = api.nvim_create_augroup('dg.ghost', {})
  local function on(events, callback)
    api.nvim_create_autocmd(events, {
      group = group,
      callback = function(event)
        callback(event.buf)
      end,
    })
  end
  on({ 'CursorMovedI', 'TextChangedI', 'TextChangedP', 'CompleteChanged', 'CompleteDone' }, M.refresh)
  on({ 'InsertLeave', 'BufLeave', 'BufUnload' }, function(buf)
    M.clear(buf)
  end)
end

return M
