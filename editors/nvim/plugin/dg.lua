-- The command is there without `setup`; it says what to do where the plugin was not set up.
if vim.g.loaded_dg then
  return
end
vim.g.loaded_dg = true

vim.api.nvim_create_user_command('Dg', function(call)
  require('dg.commands').run(call.fargs, call.range > 0 and { call.line1, call.line2 } or nil)
end, {
  nargs = '*',
  range = true,
  bar = true,
  desc = 'dg-lsp: fill gaps in code (see :Dg help)',
  complete = function(lead, line, position)
    return require('dg.commands').complete(lead, line:sub(1, position))
  end,
})
