/**
 * The small parts that several views are made of, with the classes of Bootstrap and Font Awesome that go with them.
 */
define(['jquery', 'base/js/i18n', 'base/js/utils', './texts'], function ($, i18n, utils, texts) {
    "use strict";

    var KINDS = {starting: 'default', running: 'primary', completed: 'success', failed: 'danger', stopped: 'warning'};
    var ICONS = {starting: 'fa-hourglass-start', running: 'fa-cog fa-spin', completed: 'fa-check', failed: 'fa-times',
                 stopped: 'fa-stop'};

    /** How a state looks, and what it is called: `{text, kind, icon}`. */
    var summaryOf = function (state) {
        return {text: texts.stateNames[state], kind: KINDS[state], icon: ICONS[state]};
    };

    /** Make an element the label of a state. */
    var fillLabel = function (element, state) {
        if (element.data('state') !== state) {
            element.data('state', state).attr('class', 'label nbexec-label label-' + KINDS[state])
                .text(texts.stateNames[state]);
        }
    };

    /** Change the text of an element, if it is another one: what is set counts as changed for the browser. */
    var setText = function (element, text) {
        if (element[0].textContent !== text) {
            element[0].textContent = text;
        }
    };

    /** An icon of Font Awesome, which says nothing to those who hear the page. */
    var icon = function (name) {
        return $('<i>').addClass('fa fa-fw ' + name).attr('aria-hidden', 'true');
    };

    /** A button of Bootstrap: its classes, its label, and what a click does; `name` is that of an icon. */
    var button = function (classes, label, onClick, name) {
        var made = $('<button>').attr('type', 'button').addClass('btn ' + classes);
        return made.append(name ? [icon(name), ' '] : [], $('<span>').text(label)).click(onClick);
    };

    /** A button that opens and closes an element, which has an id. */
    var expander = function (label, element, classes) {
        var made = button('btn-link btn-sm nbexec-expander ' + classes, label, function () {
            setExpanded(made, element, !element.is(':visible'));
            element[0].scrollIntoView({block: 'nearest'});
        }, 'fa-caret-right').attr({'aria-controls': element.attr('id'), 'aria-expanded': 'false'});
        return made;
    };

    /** Open or close what an expander is for. */
    var setExpanded = function (expander, element, isOpen) {
        element.toggle(isOpen);
        expander.attr('aria-expanded', String(isOpen))
            .find('.fa').toggleClass('fa-caret-right', !isOpen).toggleClass('fa-caret-down', isOpen);
    };

    /** An empty element that is told to those who hear the page when it is filled. */
    var announcement = function () {
        return $('<div>').addClass('sr-only').attr({role: 'status', 'aria-live': 'polite'});
    };

    /** A box for something to be said; hidden until then. `kind` is 'warning' or 'danger'. */
    var alertBox = function (kind, classes) {
        return $('<div>').addClass('alert alert-' + kind + ' ' + classes)
            .attr('role', kind === 'danger' ? 'alert' : 'status').hide();
    };

    var PLACES = 'a[href], button, input, select, textarea, summary';  // that the Tab key goes to

    /** What can have the focus now in an element. */
    var placesIn = function (element) {
        return element.find(PLACES).filter(':visible:enabled, a:visible');
    };

    /**
     * Draw an element anew. A focus that was in it goes to what has the same words then, else to the first that takes it.
     *
     * @param {jQuery} element
     * @param {function()} draw
     */
    var redraw = function (element, draw) {
        var focused = document.activeElement, text = $(focused).text(), hadFocus = $.contains(element[0], focused);
        draw();
        if (hadFocus && !$(focused).is(':visible')) {
            var places = placesIn(element);
            var same = places.filter(function () { return $(this).text() === text; });
            (same.length ? same : places).first().focus();
        }
    };

    /** The way to the login page of the server. */
    var loginLink = function (baseUrl) {
        return $('<a>').attr({href: utils.url_path_join(baseUrl, 'login'), target: '_blank', rel: 'noopener'})
            .text(i18n.msg._("Log in"));
    };

    /**
     * A bar that shows how much of an execution is done.
     *
     * @constructor
     */
    var ProgressBar = function () {
        this.bar = $('<div>').addClass('progress-bar').attr({
            role: 'progressbar', 'aria-label': i18n.msg._("Progress"), 'aria-valuemin': 0, 'aria-valuemax': 100});
        this.element = $('<div>').addClass('progress').append(this.bar);
    };

    /** Show a share in percent, with the words for it. */
    ProgressBar.prototype.set = function (percent, text) {
        if (percent !== this._percent || text !== this._text) {
            this._percent = percent;
            this._text = text;
            this.bar.css('width', percent + '%').attr({'aria-valuenow': percent, 'aria-valuetext': text});
        }
    };

    return {summaryOf: summaryOf, setText: setText, fillLabel: fillLabel, icon: icon, button: button, expander: expander,
            setExpanded: setExpanded, announcement: announcement, PLACES: PLACES,
            placesIn: placesIn, redraw: redraw,
            alertBox: alertBox, loginLink: loginLink, ProgressBar: ProgressBar};
});
