--- Automatic suggestions by Neovim's own `vim.lsp.inline_completion` (0.12).
---
--- It takes suggestions as a whole and asks for one at a time. What it shows is handed over to our ghost text for
--- everything that is done with it, and Neovim's is off until ours is gone.
local ghost = require('dg.ghost')

local inline = vim.lsp.inline_completion
local M = {}

---@type table<integer, boolean> Whether dg has it turned on.
local on_for = {}

--- Turn automatic suggestions of a buffer on or off.
---@param buf integer
---@param on boolean
function M.enable(buf, on)
  on_for[buf] = on or nil
  inline.enable(on, { bufnr = buf })
end

---@param buf integer
---@param why? 'outdated' Something was typed that Neovim did not see: it should ask.
local function resume(buf, why)
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
  if not on_for[buf] then
    return
  elseif what == 'shown' then
    inline.enable(false, { bufnr = buf })
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
      if not on_for[buf] or ghost.candidates(buf) then
        return
      elseif event.event == 'CompleteChanged' and ghost.menu_selected() then
        inline.enable(false, { bufnr = buf })
      elseif not inline.is_enabled({ bufnr = buf }) then
        resume(buf, 'outdated')
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
