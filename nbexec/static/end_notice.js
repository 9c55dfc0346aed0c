/**
 * Tells those who look elsewhere that an execution has ended: in the title of the page, and by the browser if they want it.
 *
 * A page that nobody sees follows nothing, for browsers have few connections; so it asks now and then.
 */
define(['base/js/i18n', './texts', './execution_model'], function (i18n, texts, executionModel) {
    "use strict";

    var PAUSE = 10 * 1000;
    var MARKS = {completed: '✓ ', failed: '✗ ', stopped: '■ '};

    /**
     * @constructor
     * @param {Client} client
     * @param {function()} getModel - returns the model of the execution whose end is told, null for none
     */
    var EndNotice = function (client, getModel) {
        this._client = client;
        this._getModel = getModel;
        this._mark = '';  // that the title begins with
        this._told = null;  // id of the execution that was told of last
        this._timer = null;
        document.addEventListener('visibilitychange', this._onVisibility.bind(this));
    };

    /** Whether the user may still be asked for permission; browsers have it on https and on localhost only. */
    EndNotice.canAsk = function () {
        return Boolean(window.Notification) && window.Notification.permission === 'default';
    };

    /** Ask for permission; resolves when it was given or refused. */
    EndNotice.ask = function () {
        return window.Notification.requestPermission();
    };

    EndNotice.prototype._onVisibility = function () {
        clearTimeout(this._timer);
        if (!document.hidden) {
            this._setMark('');
        } else if (this._getModel()) {
            this._timer = setTimeout(this._look.bind(this), PAUSE);
        }
    };

    EndNotice.prototype._look = function () {
        var that = this, model = this._getModel();
        if (!model || !document.hidden || this._told === model.exec_id) {
            return;
        }
        this._client.get(model.exec_id).then(this.tell.bind(this), function () {}).then(function () {
            that._timer = setTimeout(that._look.bind(that), PAUSE);
        });
    };

    /** Tell of the end of an execution, once, if it has ended and the page is not seen. */
    EndNotice.prototype.tell = function (model) {
        if (!document.hidden || !executionModel.isFinal(model) || this._told === model.exec_id) {
            return;
        }
        this._told = model.exec_id;
        this._setMark(MARKS[executionModel.stateOf(model)] || '');
        if (window.Notification && window.Notification.permission === 'granted') {
            notify(model);
        }
    };

    var notify = function (model) {
        try {
            var notice = new window.Notification(i18n.msg.sprintf(
                i18n.msg._("%1$s: %2$s"), texts.stateNames[executionModel.stateOf(model)], texts.nameOf(model.path)), {
                body: texts.errorLine(model) || texts.parametersOf(model), tag: model.exec_id});
            notice.onclick = function () { window.focus(); };
        } catch (error) {
            return;  // on phones, only service workers may
        }
    };

    EndNotice.prototype._setMark = function (mark) {
        if (this._mark && document.title.indexOf(this._mark) === 0) {
            document.title = document.title.slice(this._mark.length);
        }
        this._mark = mark;
        document.title = mark + document.title;
    };

    return {EndNotice: EndNotice};
});
