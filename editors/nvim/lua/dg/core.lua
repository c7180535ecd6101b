--- Automatic suggestions by Neovim's own `vim.lsp.inline_completion` (0.12).
---
--- It takes suggestions as a whole and asks for one at a time. What it shows is handed over to our ghost text for
--- everything that is done with it, and Neovim's is off until ours is gone.
local ask = require('dg.ask')
local ghost = require('dg.ghost')

local inline = vim.lsp.inline_completion
local M = {}

local METHOD = 'textDocument/inlineCompletion'

-- It is on or off for all servers of a buffer. So it is left as it was found wherever dg is off.
---@type table<integer, boolean> The buffers where dg is on, and whether Neovim's was on there before.
local before = {}
---@type table<integer, boolean> The buffers where Neovim's is off for a while, because of our ghost text or a menu.
local paused = {}
---@type table<integer, boolean> The clients that ask no more where dg is off.
local guarded = {}

--- Neovim asks every server of a buffer where the user has turned it on; dg is asked only where dg is on.
---@param client vim.lsp.Client
local function guard(client)
  if guarded[client.id] then
    return
  end
  guarded[client.id] = true
  local request = client.request
  client.request = function(self, method, params, handler, buf)
    local automatic = method == METHOD and vim.tbl_get(params, 'context', 'triggerKind') == ask.AUTOMATIC
    if automatic and before[buf] == nil then
      return false
    end
    return request(self, method, params, handler, buf)
  end
end

--- Turn Neovim's off, in a buffer where it is on. It would fail on answers that come later (0.12), so that these are
--- taken back, and what comes nevertheless is not looked at.
local function off(buf)
  for _, client in ipairs(vim.lsp.get_clients({ bufnr = buf })) do
    for id, request in pairs(client.requests) do
      if request.bufnr == buf and request.method == METHOD and request.type == 'pending' then
        client:cancel_request(id)
      end
    end
  end
  local completor = vim.tbl_get(vim.lsp, '_capability', 'all', 'inline_completion', 'active', buf)
  if completor then
    completor.handler = function() end
  end
  inline.enable(false, { bufnr = buf })
end

--- Turn automatic suggestions of a buffer on or off.
---@param buf integer
---@param on boolean
---@param client vim.lsp.Client
function M.enable(buf, on, client)
  guard(client)
  if on then
    if before[buf] == nil then
      before[buf] = paused[buf] or inline.is_enabled({ bufnr = buf })
    end
    if not paused[buf] then
      inline.enable(true, { bufnr = buf })
    end
  elseif before[buf] ~= nil then
    local was_on = before[buf]
    before[buf] = nil
    off(buf) -- also where it was on: it forgets what dg has suggested
    if not was_on then
      paused[buf] = nil
    elseif not paused[buf] then
      inline.enable(true, { bufnr = buf })
    end
  end
end

local function pause(buf)
  if inline.is_enabled({ bufnr = buf }) then
    paused[buf] = true
    off(buf)
  end
end

---@param buf integer
---@param why? 'outdated' Something was typed that Neovim did not see: it should ask.
local function resume(buf, why)
  if not paused[buf] then
    return
  end
  paused[buf] = nil
  inline.enable(true, { bufnr = buf })
  if why ~= 'outdated' then
    return
  end
  vim.schedule(function()
    local group = ('nvim.lsp.inline_completion:%d'):format(buf)
    if vim.api.nvim_get_current_buf() == buf and vim.api.nvim_get_mode().mode:sub(1, 1) == 'i' then
      pcall(vim.api.nvim_exec_autocmds, 'CursorMovedI', { group = group, buffer = buf })
    end
  end)
end

--- Keep Neovim's ghost text off while ours is shown.
---@param buf integer
---@param what 'shown'|'gone'|'outdated'
function M.ghost_changed(buf, what)
  if what == 'shown' then
    pause(buf)
  else
    resume(buf, what)
  end
end

--- Keep Neovim's ghost text off while an entry of its completion menu is selected. Once.
function M.setup()
  local group = vim.api.nvim_create_augroup('dg.core', {})
  vim.api.nvim_create_autocmd({ 'CompleteChanged', 'CompleteDone' }, {
    group = group,
    callback = function(event)
      local buf = event.buf
      if ghost.candidates(buf) then
        return
      elseif event.event == 'CompleteDone' or not ghost.menu_selected() then
        resume(buf, 'outdated')
      elseif before[buf] ~= nil then -- elsewhere it is not for dg to say
        pause(buf)
      end
    end,
  })
end

--- Take away what Neovim shows.
---@param buf integer
---@return boolean whether something was shown
function M.dismiss(buf)
  return inline.get({ bufnr = buf, on_accept = function() end })
end

--- Show what Neovim shows as our ghost text, then call `after`. Ours knows what was typed of it since: Neovim 0.12
--- would insert that again.
---@param buf integer
---@param after fun()
---@return boolean whether something was shown
function M.hand_over(buf, after)
  return inline.get({
    bufnr = buf,
    on_accept = function(item)
      if type(item.insert_text) ~= 'string' or item.command then
        return item -- another server's, to be taken as a whole
      end
      local row, col = unpack(vim.api.nvim_win_get_cursor(0))
      local range = { row = row - 1, col = col, stop = col }
      if item.range then
        local start_row, start_col, _, stop = item.range:to_extmark()
        range = { row = start_row, col = start_col, stop = stop }
      end
      ghost.show(buf, { item.insert_text }, range)
      after()
    end,
  })
end

return M
