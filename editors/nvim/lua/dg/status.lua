--- What the server says of itself, for the statusline.
local M = {}

---@class dg.Status
---@field busy boolean
---@field kind 'Normal'|'Warning'|'Error'|'Inactive'
---@field message string

---@type dg.Status?
M.last = nil

--- Take what the server told (nil: it is gone), redraw the statusline and fire `User DgStatus`.
---@param status dg.Status?
function M.set(status)
  M.last = status
  vim.api.nvim_exec_autocmds('User', { pattern = 'DgStatus', modeline = false, data = status })
  vim.cmd.redrawstatus({ bang = true })
end

--- A few words for the statusline, "" where dg has no part in the current buffer. Without "%", so that it can stand
--- in any statusline.
---@return string
function M.text()
  local buf = vim.api.nvim_get_current_buf()
  local status = M.last
  if not status or not require('dg.client').get(buf) then
    return ''
  elseif status.kind ~= 'Normal' then
    return 'dg ' .. status.kind:lower()
  elseif not vim.startswith(status.message, 'Ready') then
    return 'dg: ' .. status.message:gsub(',? (%d+) %%', ' %1/100')
  elseif not require('dg.suggest').on(buf) then
    return 'dg off'
  end
  return status.busy and 'dg …' or 'dg'
end

return M
