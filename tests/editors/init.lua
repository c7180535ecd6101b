-- What a test's Neovim starts with: the plugin, set up with the options in $DG_TEST_OPTIONS (JSON).
vim.o.swapfile = false
vim.o.shadafile = 'NONE'
vim.o.more = false
vim.opt.runtimepath:prepend(vim.env.DG_TEST_PLUGIN)
vim.cmd.runtime('plugin/dg.lua')
vim.filetype.add({ filename = { ['.env'] = 'sh' } })

-- All that is said to the user, which a test reads; `:messages` keeps what the server says.
_G.said = {}
local notify = vim.notify
vim.notify = function(text, level, options)
  table.insert(_G.said, text)
  notify(text, level, options)
end

_G.statuses = {}
vim.api.nvim_create_autocmd('User', {
  pattern = 'DgStatus',
  callback = function()
    table.insert(_G.statuses, require('dg').status())
  end,
})

require('dg').setup(vim.json.decode(vim.env.DG_TEST_OPTIONS))
