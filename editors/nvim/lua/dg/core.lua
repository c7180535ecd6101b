--- Automatic suggestions by Neovim's own `vim.lsp.inline_completion` (0.12).
---
--- It takes suggestions as a whole and asks for one at a time. For pieces and for more candidates, what it shows is
--- handed over to our ghost text, and Neovim's is off meanwhile.
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

--- Keep Neovim's ghost text off while ours is shown.
---@param buf integer
---@param what 'shown'|'gone'|'outdated'
function M.ghost_changed(buf, what)
  if not on_for[buf] then
    return
  end
  inline.enable(what ~= 'shown', { bufnr = buf })
  if what ~= 'outdated' then
    return
  end
  -- It waits for the next movement, but the one that outdated our ghost text should count.
  vim.schedule(function()
    local group = ('nvim.lsp.inline_completion:%d'):format(buf)
    if vim.api.nvim_get_current_buf() == buf and vim.api.nvim_get_mode().mode:sub(1, 1) == 'i' then
      pcall(vim.api.nvim_exec_autocmds, 'CursorMovedI', { group = group, buffer = buf })
    end
  end)
end

--- Accept what Neovim shows.
---@param buf integer
---@return boolean whether something was shown
function M.accept(buf)
  return inline.get({
    bufnr = buf,
    on_accept = function(item)
      vim.cmd('let &g:undolevels = &g:undolevels') -- begins a new undo step
      return item
    end,
  })
end

--- Take away what Neovim shows.
---@param buf integer
---@return boolean whether something was shown
function M.dismiss(buf)
  return inline.get({ bufnr = buf, on_accept = function() end })
end

--- Show what Neovim shows as our ghost text, then call `after`.
---@param buf integer
---@param after fun()
---@return boolean whether something was shown
function M.hand_over(buf, after)
  return inline.get({
    bufnr = buf,
    on_accept = function(item)
      if type(item.insert_text) ~= 'string' then
        return item -- a snippet (of another server) is taken as a whole
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
