/**
 * The entry for the tree page: a tab with all executions, and a button on a selected notebook.
 */
define(['require', 'jquery', 'base/js/namespace', 'base/js/utils', './client', './execution_list', './actions',
        './tab_view', './files_button'
], function (require, $, Jupyter, utils, client, execution_list, actions, tab_view, files_button) {
    "use strict";

    /** Called by notebook when the extension is loaded. */
    var load_ipython_extension = function () {
        ['./notebook.css', './tree.css'].forEach(function (file) {  // the form has its looks from the first
            $('<link>').attr({rel: 'stylesheet', type: 'text/css', href: require.toUrl(file)}).appendTo('head');
        });
        var api = new client.Client(utils.get_body_data('baseUrl'));
        var view;
        var list = new execution_list.ExecutionList(api, {
            on_change: function (ids) { view.update(ids); },
            on_state: function (state, error) { view.set_state(state, error); }
        });
        var doer = new actions.Actions(api, {
            on_started: function (model) { view.show(model.exec_id); },
            on_details: function (model) { view.show(model.exec_id); }
        });
        view = new tab_view.TabView({client: api, list: list, actions: doer});
        view.open_address();
        new files_button.FilesButton(Jupyter.notebook_list, {
            on_click: function (path, button) { doer.run(path, button); }
        });
    };

    return {load_ipython_extension: load_ipython_extension};
});
