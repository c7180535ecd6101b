--- Automatic suggestions where Neovim has no `vim.lsp.inline_completion`: asked for and shown by ourselves.
local ask = require('dg.ask')
local ghost = require('dg.ghost')

local api = vim.api
local M = {}

-- Newer ones wait 200 ms; the server takes that as given for every Neovim, and adds what a slow typist needs.
local DEBOUNCE_MS = 100

local timer = assert(vim.uv.new_timer())

local function ask_now(buf)
  local inserting = api.nvim_get_mode().mode:sub(1, 1) == 'i'
  if not inserting or api.nvim_get_current_buf() ~= buf or ghost.candidates(buf) or ghost.menu_selected() then
    return
  elseif ask.waits(buf) then
    return -- one by hand, for each key takes back what was asked before it
  end
  ask.ask(buf, ask.AUTOMATIC, function(texts, range)
    ghost.show(buf, texts, range)
  end)
end

local function soon(buf)
  ask.cancel(buf)
  timer:start(DEBOUNCE_MS, 0, function()
    vim.schedule(function()
      ask_now(buf)
    end)
  end)
end

local function group_of(buf)
  return api.nvim_create_augroup(('dg.fallback:%d'):format(buf), {})
end

--- Turn automatic suggestions of a buffer on or off.
---@param buf integer
---@param on boolean
function M.enable(buf, on)
  local group = group_of(buf)
  if not on then
    ask.cancel(buf)
    ghost.clear(buf)
    return
  end
  api.nvim_create_autocmd({ 'InsertEnter', 'CursorMovedI', 'TextChangedI', 'TextChangedP' }, {
    group = group,
    buffer = buf,
    callback = function()
      soon(buf)
    end,
  })
  api.nvim_create_autocmd('InsertLeave', {
    group = group,
    buffer = buf,
    callback = function()
      timer:stop()
      ask.cancel(buf)
    end,
  })
end

--- Our ghost text looks after Neovim's menu itself.
function M.setup() end

--- The ghost text is ours already: there is no other to switch off, to dismiss or to take over.
function M.ghost_changed() end

---@return boolean
function M.dismiss()
  return false
end

M.hand_over = M.dismiss

return M
