/**
 * Draws soon, but not more often than can be seen, and never so often that a slow page does nothing else; knows nothing of
 * what is drawn.
 */
define(function () {
    "use strict";

    var PAUSE = 250;  // milliseconds between two drawings

    /**
     * @constructor
     * @param {function()} draw
     * @param {number} share - how many times as long as it takes to draw the page does something else
     */
    var PacedDrawing = function (draw, share) {
        this._draw = draw;
        this._share = share;
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
            that._next = Date.now() + Math.max(PAUSE, that._share * (Date.now() - begin));
        });
    };

    return {PacedDrawing: PacedDrawing};
});
