/**
 * Saves the notebook of the page, and tells whether that was done.
 */
define(['base/js/i18n'], function (i18n) {
    "use strict";

    /**
     * Save the notebook; resolves to whether it was. Notebook asks first if somebody else has changed the file, and says
     * nothing of what it was told.
     */
    var save = function (notebook, events) {
        return new Promise(function (resolve, reject) {
            var end = function (act) {
                return function (event, value) {
                    events.off('notebook_saved.Notebook', saved).off('notebook_save_failed.Notebook', failed);
                    act(value);
                };
            };
            var saved = end(function () { resolve(true); }), failed = end(function (error) { reject(problemOf(error)); });
            events.on('notebook_saved.Notebook', saved).on('notebook_save_failed.Notebook', failed);
            notebook.save_notebook().then(function () {
                var question = notebook._changed_on_disk_dialog, isConfirmed = false;
                if (question && question.data('bs.modal').isShown) {
                    question.find('.save-confirm-btn').one('click', function () { isConfirmed = true; });
                    question.one('hidden.bs.modal', end(function () {
                        if (!isConfirmed) {
                            resolve(false);
                        }
                    }));
                }
            }, function (error) { failed(null, error); });
        });
    };

    /** What the client would say of an error that notebook met. */
    var problemOf = function (error) {
        var isLost = Boolean(error && error.xhr && error.xhr.status === 0);
        return {status: 0, field: null, message: i18n.msg.sprintf(
            i18n.msg._("The notebook could not be saved, and was not run: %s"),
            isLost ? i18n.msg._("The server cannot be reached.") : error && error.message || '')};
    };

    return save;
});
