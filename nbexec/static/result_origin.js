/**
 * Leads from a result back to the page of the execution that made it, as long as the server knows that one.
 */
define(['jquery', 'base/js/i18n', './execution_address'], function ($, i18n, executionAddress) {
    "use strict";

    /** Show a link in the element if the notebook of the page is the result of an execution. */
    var show = function (client, notebook, element) {
        var path = notebook.notebook_path;
        if (!notebook.metadata.papermill) {
            return;  // as each result has it, so that the server is not asked about other notebooks
        }
        client.listPage({text: path, order: 'newest'}).then(function (page) {
            var made = page.models.filter(function (model) { return model.output_path === path; })[0];
            if (made) {
                element.prepend($('<a>').attr({
                    id: 'nbexec_origin', target: '_blank', rel: 'noopener',
                    href: executionAddress.of(client.baseUrl, made.exec_id),
                    title: i18n.msg._("Show the execution that made this notebook")
                }).addClass('notification_widget btn btn-xs navbar-btn').text(i18n.msg._("Execution details")));
            }
        }).catch($.noop);  // it is only a link
    };

    return {show: show};
});
