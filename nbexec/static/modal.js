/**
 * A dialog of notebook that screen readers know as one, and that keeps the focus until it is closed.
 */
define(['jquery', 'base/js/dialog'], function ($, dialog) {
    "use strict";

    var TAB = 9;
    var number_of_dialogs = 0;  // for ids that occur once in a page

    /** Open a dialog; the options are those of `dialog.modal`. The focus returns to where it was. */
    var open = function (options) {
        var had_focus = document.activeElement, id = 'nbexec_dialog_' + (number_of_dialogs += 1);
        var modal = dialog.modal(options).addClass('nbexec-dialog').attr({'aria-modal': 'true', 'aria-labelledby': id});
        modal.find('.modal-title').attr('id', id);
        // Notebook hides it from those who need its label.
        modal.find('.close').removeAttr('aria-hidden');
        modal.on('keydown', function (event) {
            if (event.which === TAB) {
                turn_around(modal, event);
            }
        });
        modal.on('hidden.bs.modal', function () {
            if (had_focus && had_focus !== document.body && document.contains(had_focus)) {
                had_focus.focus();
            }
        });
        return modal;
    };

    /** Go on at the other end instead of leaving. */
    var turn_around = function (modal, event) {
        var places = modal.find('a[href], button, input, select, textarea').filter(':visible:enabled, a:visible');
        var from = event.shiftKey ? places.first() : places.last();
        if (from.is(document.activeElement)) {
            (event.shiftKey ? places.last() : places.first()).focus();
            event.preventDefault();
        }
    };

    return {open: open};
});
