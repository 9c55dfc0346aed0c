/**
 * The dialogs of the pages: those of notebook, made such that screen readers know them as one, and the focus stays inside.
 *
 * In the notebook page the options have its `notebook` and `keyboard_manager`, which sleeps meanwhile.
 */
define(['jquery', 'base/js/dialog', 'base/js/i18n', './parts', './texts'], function ($, dialog, i18n, parts, texts) {
    "use strict";

    var TAB = 9;
    var numberOfDialogs = 0;  // for ids that occur once in a page

    /**
     * Open a dialog; the options are those of `dialog.modal`. The focus returns to where it was, or if that is gone then,
     * to what came after it.
     */
    var open = function (options) {
        var places = placesFrom(document.activeElement), id = 'nbexec_dialog_' + (numberOfDialogs += 1);
        var modal = dialog.modal(options).addClass('nbexec-dialog').attr({
            'aria-modal': 'true', 'aria-labelledby': id,
            tabindex: -1  // a click beside the dialog leaves the focus here, where Escape is heard
        });
        modal.find('.modal-title').attr({id: id, 'aria-level': 2});
        // Notebook hides it from those who need its label.
        modal.find('.close').removeAttr('aria-hidden');
        modal.on('keydown', function (event) {
            if (event.which === TAB) {
                turnAround(modal, event);
            }
        });
        // What had the focus may give the keys back to the notebook when it loses it, as the panel does.
        modal.on('focusin', function () {
            if (options.keyboard_manager) {
                options.keyboard_manager.disable();
            }
        });
        modal.on('hidden.bs.modal', function () {
            places.some(function (place) {
                place.focus();
                return place === document.activeElement;
            });
        });
        return modal;
    };

    /** The element that has the focus, what comes after it, and what comes before it; nothing if no element has it. */
    var placesFrom = function (element) {
        if (!element || element === document.body) {
            return [];
        }
        var all = $(parts.PLACES).get(), place = all.filter(function (other) {
            return element.compareDocumentPosition(other) & window.Node.DOCUMENT_POSITION_PRECEDING;
        }).length;
        return [element].concat(all.slice(place), all.slice(0, place).reverse());
    };

    /** Go on at the other end instead of leaving. */
    var turnAround = function (modal, event) {
        var places = parts.placesIn(modal);
        var from = event.shiftKey ? places.first() : places.last();
        if (from.is(document.activeElement)) {
            (event.shiftKey ? places.last() : places.first()).focus();
            event.preventDefault();
        }
    };

    /**
     * Open a dialog; the focus returns to the button that it was asked for with, also where that stands in a menu.
     *
     * @param {Object} options
     * @param {string} options.title
     * @param {string|jQuery} options.body
     * @param {Array<Object>} options.buttons - `{label, style, click}`, in their order
     * @param {Element} [options.button] - what it was asked for with
     * @param {string} [options.focused] - the label of the button that Enter presses, the last one if none is named
     * @param {Object} [options.page] - `notebook` and `keyboard_manager` of the notebook page
     */
    var show = function (options) {
        var buttons = {};
        options.buttons.forEach(function (button) {
            buttons[button.label] = {'class': button.style || '', click: button.click};
        });
        $(options.button).focus();
        return open(Object.assign({title: options.title, body: options.body, buttons: buttons,
                                   'default_button': options.focused}, options.page));
    };

    /**
     * Ask whether to do something.
     *
     * @param {Object} options - as for `show`, and:
     * @param {Array<string>} options.sentences - what there is to know about it
     * @param {string} options.verb - what the button says that does it, with its `style`
     * @param {function()} options.act - does it
     */
    var ask = function (options) {
        var cancel = i18n.msg._("Cancel");
        return show(Object.assign({
            body: $('<div>').append(options.sentences.filter(Boolean).map(function (sentence) {
                return $('<p>').text(sentence);
            })),
            buttons: [{label: cancel}, {label: options.verb, style: options.style, click: options.act}],
            // What cannot be undone is not done by an Enter too many.
            focused: options.style === 'btn-danger' ? cancel : options.verb
        }, options));
    };

    /** Ask whether to stop the execution of a model; `options` are `act`, `button` and `page` of `ask`. */
    var askToStop = function (model, options) {
        return ask(Object.assign({
            title: i18n.msg._("Stop this execution?"),
            sentences: [i18n.msg.sprintf(
                i18n.msg._("The running cell of \"%s\" is interrupted. Output so far is kept in the result."),
                texts.nameOf(model.path))],
            verb: i18n.msg._("Stop"),
            style: 'btn-warning'
        }, options));
    };

    /** Tell what went wrong: `title`, `message`, and `button` and `page` of `show`. */
    var tell = function (options) {
        return show(Object.assign({
            body: $('<div>').addClass('alert alert-danger').text(options.message),
            buttons: [{label: i18n.msg._("OK"), style: 'btn-primary'}]
        }, options));
    };

    /** Tell that a result is not where it was; the options are `button` and `page` of `show`. */
    var tellResultGone = function (path, options) {
        return tell(Object.assign({
            title: i18n.msg._("The result no longer exists"),
            message: i18n.msg.sprintf(i18n.msg._("\"%s\" was deleted, moved or renamed."), path)
        }, options));
    };

    return {open: open, show: show, ask: ask, askToStop: askToStop, tell: tell, tellResultGone: tellResultGone};
});
