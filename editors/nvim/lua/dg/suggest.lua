--- Suggestions: where they come by themselves, and what can be done with the one that is shown.
local ask = require('dg.ask')
local client = require('dg.client')
local config = require('dg.config')
local ghost = require('dg.ghost')
local pieces = require('dg.pieces')

local api = vim.api
local automatic = require(vim.lsp.inline_completion and 'dg.core' or 'dg.fallback')

local M = {}

---@type table<string, boolean> Filetypes for which the user has said whether suggestions come by themselves.
local by_filetype = {}

--- Whether suggestions come by themselves in a buffer.
---@param buf integer
---@return boolean
function M.on(buf)
  return vim.F.if_nil(vim.b[buf].dg_auto, by_filetype[vim.bo[buf].filetype], config.options.auto)
end

local function update(buf)
  local of = client.get(buf)
  if of then
    automatic.enable(buf, M.on(buf), of)
  end
end

--- Turn automatic suggestions on or off: in the current buffer, in its filetype, or everywhere.
---@param on boolean
---@param where? 'buffer'|'filetype'
function M.enable(on, where)
  local buf = api.nvim_get_current_buf()
  local filetype = vim.bo[buf].filetype
  if where == 'buffer' then
    vim.b[buf].dg_auto = on
  elseif where == 'filetype' then
    by_filetype[filetype] = on
  else
    config.options.auto, by_filetype = on, {}
  end
  for _, it in ipairs(api.nvim_list_bufs()) do
    if not where or (where == 'filetype' and vim.bo[it].filetype == filetype) then
      vim.b[it].dg_auto = nil -- what is said later of more holds for it too
    end
    update(it)
  end
  vim.cmd.redrawstatus({ bang = true })
end

--- Do something with the ghost text: ours, or Neovim's after it was handed over.
local function act(action)
  local buf = api.nvim_get_current_buf()
  local function run()
    action(buf)
  end
  if ghost.candidates(buf) then
    vim.schedule(run) -- not at once: keys are often mapped with <expr>, where the text is locked
    return true
  end
  return automatic.hand_over(buf, run)
end

--- Accept all of the suggestion. Like the others: true when there is one, so that a key can do something else.
---@return boolean
function M.accept()
  return act(function(buf)
    ghost.take(buf, pieces.all)
  end)
end

--- Accept the suggestion's next word.
---@return boolean
function M.accept_word()
  return act(function(buf)
    ghost.take(buf, pieces.word)
  end)
end

--- Accept the suggestion up to the end of its line.
---@return boolean
function M.accept_line()
  return act(function(buf)
    ghost.take(buf, pieces.line)
  end)
end

--- Take the suggestion away.
---@return boolean
function M.dismiss()
  local buf = api.nvim_get_current_buf()
  ask.cancel(buf)
  if ghost.candidates(buf) then
    return act(ghost.clear)
  end
  return automatic.dismiss(buf)
end

--- Ask for several candidates at the cursor now.
---@param step? integer How far from the shown text the candidate to show is (default: the first one).
function M.trigger(step)
  local buf = api.nvim_get_current_buf()
  local texts, index = ghost.candidates(buf)
  local before = texts and texts[index]
  ask.ask(buf, ask.BY_HAND, function(found, range)
    local at = step and vim.fn.index(found, before) or -1
    ghost.show(buf, found, range, at < 0 and 1 or (at + step) % #found + 1)
  end)
end

--- Show the candidate `step` further on; where there is but one, ask for several.
local function cycle(step)
  local function go(buf)
    local texts = ghost.candidates(buf)
    if texts and #texts > 1 then
      ghost.select(buf, step)
    else
      M.trigger(step)
    end
  end
  return act(go) or client.where_served(M.trigger)
end

--- The next candidate.
function M.next()
  return cycle(1)
end

--- The candidate before.
function M.prev()
  return cycle(-1)
end

--- Begin to serve buffers as the server attaches to them. Once.
function M.setup()
  ghost.on_change = automatic.ghost_changed
  ghost.setup()
  automatic.setup()
  local group = api.nvim_create_augroup('dg.suggest', {})
  api.nvim_create_autocmd({ 'LspAttach', 'LspDetach' }, {
    group = group,
    callback = function(event)
      local of = vim.lsp.get_client_by_id(event.data.client_id)
      if of and of.name == client.NAME then
        automatic.enable(event.buf, event.event == 'LspAttach' and M.on(event.buf), of)
      end
    end,
  })
end

return M
