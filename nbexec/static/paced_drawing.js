/**
 * Draws soon, but not more often than can be seen, and never so often that a slow page does nothing else; knows nothing of
 * what is drawn.
 */
define(function () {
    "use strict";

    var PAUSE = 250, SHARE = 5;  // milliseconds between two drawings, and how many times as long as one takes

    /**
     * @constructor
     * @param {function()} draw
     */
    var PacedDrawing = function (draw) {
        this._draw = draw;
        this._isDue = false;
        this._next = 0;  // when it may be drawn again
    };

    /** Draw after all that comes together; at once if nothing was drawn lately. */
    PacedDrawing.prototype.soon = function () {
        if (!this._isDue) {
            this._isDue = true;
            setTimeout(this._inFrame.bind(this), Math.max(0, this._next - Date.now()));
        }
    };

    PacedDrawing.prototype._inFrame = function () {
        var that = this;
        // A page that is not seen has no frames, and needs none.
        window.requestAnimationFrame(function () {
            var begin = Date.now();
            that._isDue = false;
            that._draw();
            that._next = Date.now() + Math.max(PAUSE, SHARE * (Date.now() - begin));
        });
    };

    return {PacedDrawing: PacedDrawing};
});
