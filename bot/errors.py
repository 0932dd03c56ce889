"""One tree of errors. Each carries data; the sentences for people are in :mod:`bot.text`.

::

    VaryError
    ├── Refused                      nothing was stored or charged; the asker is told why
    │   ├── BlankPrompt
    │   ├── PromptTooLong
    │   ├── EncodedPromptTooLong
    │   ├── ParameterNotAllowed
    │   ├── ParameterInAvoid
    │   ├── NotOffered
    │   ├── PermutationNotAllowed
    │   ├── PermissionsMissing
    │   ├── UnsupportedUpload
    │   ├── UploadTooLarge
    │   ├── QueueFull
    │   ├── UserQueueFull
    │   ├── DailyLimitReached        whose limit it is says its ``rule``
    │   ├── NoPicture
    │   ├── PickGone
    │   ├── NoConsent
    │   ├── NotMine
    │   ├── ServerNotAllowed
    │   ├── DirectMessagesOff
    │   ├── BlockedMember
    │   ├── WrongChannel
    │   ├── RoleNeeded
    │   ├── NotYourButtons
    │   ├── PausedHere
    │   ├── BlockedWord
    │   ├── OthersPicturesOff
    │   ├── NotManager
    │   ├── BadLimit
    │   ├── TooManyWords
    │   ├── UnknownPicture
    │   ├── WasDeleted
    │   ├── Elsewhere
    │   ├── NotYours
    │   ├── NotDeletable
    │   ├── TooLate
    │   ├── NothingToRetry
    │   ├── NothingToFetch
    │   ├── OperatorsOnly
    │   └── ServersOnly
    ├── StoreUnavailable             the database does not take the work now
    │   └── DatabaseUnusable         … and will not by itself
    ├── CopyFailed                   a ledger is not copied, or not whole
    │   ├── CantOpen
    │   ├── NoLedger
    │   ├── WorkersAlive
    │   ├── HoldsOther
    │   ├── RowsRefused
    │   └── NotEqual
    ├── BackupFailed                 a copy of a SQLite file could not be made
    ├── GenArtError                  the API gave no result
    │   ├── BadRequest
    │   ├── RequestTooLarge
    │   ├── Unauthorized
    │   ├── ApiBusy
    │   ├── ApiFailure
    │   ├── ApiTimeout
    │   ├── ApiUnreachable           nothing was sent
    │   ├── ApiDisconnected          the request may have arrived
    │   └── ApiNonsense
    ├── PictureError                 a picture can't be used
    │   ├── PictureGone
    │   ├── PictureUnreachable
    │   ├── PictureTooLarge
    │   ├── NotAPicture
    │   └── HostNotAllowed
    ├── SourceUnusable               a PictureError of the picture that a generation starts from
    ├── AddressUnusable              the process can't listen on an address of its settings
    ├── ChartFailed                  a chart could not be drawn
    └── DeliveryFailed               Discord took the message nowhere
        ├── CardUnavailable
        ├── UploadRefused
        ├── Blocked                  by AutoMod, or as harmful
        ├── MessageGone              it was deleted
        ├── HistoryUnreadable        nobody can tell whether it is posted already
        └── DiscordUnavailable       … now; it may take it later
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

from bot.domain import ErrorCode, Permission


class VaryError(Exception):
    """Whatever goes wrong in a way that the bot knows.

    ``code`` is what the ledger keeps of it. ``transient`` tells whether the same may work later
    without being paid for again.
    """

    code = ErrorCode.UNFORESEEN
    transient = False


class Refused(VaryError):
    """A request that was turned down before anything was stored or charged."""


class _Limit(Refused):
    """A request over ``limit``."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


class BlankPrompt(Refused):
    """The prompt holds nothing that can be seen."""


class PromptTooLong(_Limit):
    """The prompt has more characters than ``limit``."""


class EncodedPromptTooLong(_Limit):
    """Percent-encoded, the request's first line would have ``length`` bytes, over ``limit``."""

    def __init__(self, limit: int, length: int) -> None:
        super().__init__(limit)
        self.length = length


class ParameterNotAllowed(Refused):
    """The prompt holds the parameter ``name``, which is not among ``allowed``."""

    def __init__(self, name: str, allowed: Collection[str]) -> None:
        super().__init__(name)
        self.name = name
        self.allowed = allowed


class ParameterInAvoid(Refused):
    """What to avoid holds the parameter ``name``: it takes words alone."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class NotOffered(Refused):
    """A client sent ``value``, which the command doesn't offer."""

    def __init__(self, value: str) -> None:
        super().__init__(value)
        self.value = value


class PermutationNotAllowed(Refused):
    """The prompt asks for several pictures at once: ``{red, green} bird``."""


class PermissionsMissing(Refused):
    """The bot may not post the result there, and the interaction may end before there is one."""

    def __init__(self, missing: Collection[Permission]) -> None:
        super().__init__(missing)
        self.missing = missing


class UnsupportedUpload(Refused):
    """The upload is not a PNG, JPEG, WebP or GIF by its declared type and name."""


class UploadTooLarge(_Limit):
    """The upload has more bytes than ``limit``."""


class QueueFull(_Limit):
    """``limit`` generations are waiting already, over all users."""


class UserQueueFull(_Limit):
    """The user has ``limit`` generations waiting or running already."""


class LimitRule(StrEnum):
    """Whose limit of generations in 24 hours."""

    USER = "user"
    """The operator's for each user."""
    MEMBER = "member"
    """The server's for each member."""
    ROLE = "role"
    """The server's for a role."""
    SERVER = "server"
    """The server's or the operator's for the whole server."""
    TOTAL = "total"
    """The operator's for all together."""


class DailyLimitReached(_Limit):
    """There were ``limit`` generations in 24 hours; the next one is possible at ``free_at``.

    ``role_id`` is the role that gives the limit, if one does.
    """

    def __init__(
        self,
        limit: int,
        free_at: datetime,
        rule: LimitRule = LimitRule.USER,
        role_id: int | None = None,
    ) -> None:
        super().__init__(limit)
        self.free_at = free_at
        self.rule = rule
        self.role_id = role_id


class ServerNotAllowed(Refused):
    """The operator doesn't let the bot work in this server."""


class DirectMessagesOff(Refused):
    """The operator doesn't let the bot work in direct messages."""


class BlockedMember(Refused):
    """The server's owners don't let this member use the bot."""


class WrongChannel(Refused):
    """The server's owners let the bot be used in ``channels`` alone."""

    def __init__(self, channels: Collection[int]) -> None:
        super().__init__(channels)
        self.channels = channels


class RoleNeeded(Refused):
    """The server's owners let only members with the role ``role_id`` use the bot."""

    def __init__(self, role_id: int) -> None:
        super().__init__(role_id)
        self.role_id = role_id


class NotYourButtons(Refused):
    """Here only the asker presses a grid's buttons, and members with ``role_id``, if there is
    one."""

    def __init__(self, role_id: int | None) -> None:
        super().__init__(role_id)
        self.role_id = role_id


class PausedHere(Refused):
    """The server's owners let nothing new begin."""


class BlockedWord(Refused):
    """The prompt holds ``word``, which the server's owners don't allow."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class OthersPicturesOff(Refused):
    """The server's owners don't let members use each other's pictures."""


class NotManager(Refused):
    """Only members with the permission Manage Server may do that."""


class BadLimit(Refused):
    """``value`` is no number from 0 (or ``least``) to ``most`` (``None``: any)."""

    def __init__(self, value: str, most: int | None = None, least: int = 0) -> None:
        super().__init__(value)
        self.value = value
        self.most = most
        self.least = least


class TooManyWords(_Limit):
    """The list of blocked words has more characters than ``limit``."""


class NoPicture(Refused):
    """The message shows no picture that can be started from."""


class PickGone(Refused):
    """The message that a modal is about isn't known any more."""


class NoConsent(Refused):
    """The member whose picture it is lets nobody else use it."""


class NotMine(Refused):
    """The message isn't one of the bot's results."""


class UnknownPicture(Refused):
    """The ledger has no such generation, or it has no such option."""


class WasDeleted(Refused):
    """The picture that the button is about has been deleted."""


class Elsewhere(Refused):
    """The button belongs to a message in another place."""


class NotYours(Refused):
    """Only the asker and moderators may do that."""


class NotDeletable(Refused):
    """Only the asker, and members who may manage messages, may delete a picture."""


class TooLate(Refused):
    """The work has begun and can't be cancelled any more."""


class NothingToRetry(Refused):
    """The generation didn't fail, or asking again can't help."""


class NothingToFetch(Refused):
    """The user has no undelivered result in this server."""


class OperatorsOnly(Refused):
    """Only the application's owner and its team may do that."""


class ServersOnly(Refused):
    """That is about a server, and this is none."""


class StoreUnavailable(VaryError):
    """The database did not take the work: locked, full, read-only, corrupt or gone."""

    code = ErrorCode.STORE
    transient = True


class DatabaseUnusable(StoreUnavailable):
    """The database can't be used and won't recover by itself; ``reason`` is for the operator."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Side(StrEnum):
    """Which database of a copy. The values are the words of the command line."""

    FROM = "FROM"
    TO = "TO"


class CopyFailed(VaryError):
    """A ledger could not be copied whole from one database into another."""


class CantOpen(CopyFailed):
    """One of the databases can't be used; ``reason`` is its own."""

    def __init__(self, side: Side, reason: str) -> None:
        super().__init__(side, reason)
        self.side = side
        self.reason = reason


class NoLedger(CopyFailed):
    """There is nothing to copy in the first database."""


class WorkersAlive(CopyFailed):
    """A worker uses one of the databases."""

    def __init__(self, side: Side) -> None:
        super().__init__(side)
        self.side = side


class HoldsOther(CopyFailed):
    """The second database holds rows in ``table`` that are not the first one's."""

    def __init__(self, table: str) -> None:
        super().__init__(table)
        self.table = table


class RowsRefused(CopyFailed):
    """The second database doesn't take rows of ``table``; ``reason`` is its own."""

    def __init__(self, table: str, reason: str) -> None:
        super().__init__(table, reason)
        self.table = table
        self.reason = reason


class NotEqual(CopyFailed):
    """Once everything is copied, ``table`` has other rows in one database than in the other."""

    def __init__(self, table: str) -> None:
        super().__init__(table)
        self.table = table


class BackupFailed(VaryError):
    """No copy of a SQLite file was made; ``reason`` is SQLite's or the system's."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class AddressUnusable(VaryError):
    """The process can't listen on ``address`` (``host:port``); ``reason`` is the system's."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(address, reason)
        self.address = address
        self.reason = reason


class GenArtError(VaryError):
    """The API did not give a result."""

    code = ErrorCode.API_FAILURE


class BadRequest(GenArtError):
    """400. ``reason`` is the API's own sentence, if it gave one."""

    code = ErrorCode.BAD_REQUEST

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason


class RequestTooLarge(GenArtError):
    """413, 414 or 431: the request is larger than the API, or what stands before it, takes."""

    code = ErrorCode.REQUEST_TOO_LARGE


class Unauthorized(GenArtError):
    """401: the API key is incorrect or expired."""

    code = ErrorCode.UNAUTHORIZED


class ApiBusy(GenArtError):
    """429 or 503 with Retry-After: the API did not take the work. ``retry_after`` in seconds."""

    code = ErrorCode.BUSY

    def __init__(self, retry_after: float) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after


class ApiFailure(GenArtError):
    """5xx, or a status that is not documented."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class ApiTimeout(GenArtError):
    """No answer within the time allowed; the API may have charged for it."""

    code = ErrorCode.TIMEOUT


class ApiUnreachable(GenArtError):
    """No connection to the API: nothing was asked of it, so nothing was charged."""

    code = ErrorCode.NOT_SENT


class ApiDisconnected(GenArtError):
    """The connection broke before an answer; the API may have charged for it."""

    code = ErrorCode.UNREACHABLE


class ApiNonsense(GenArtError):
    """A 200 that is not what is documented; ``reason`` is for the log."""

    code = ErrorCode.NONSENSE

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class PictureError(VaryError):
    """A picture that can't be used."""

    code = ErrorCode.NOT_A_PICTURE


class PictureGone(PictureError):
    """Nothing is behind the link any more."""

    code = ErrorCode.PICTURE_GONE


class PictureUnreachable(PictureError):
    """The picture's host does not answer, or breaks off."""

    code = ErrorCode.PICTURE_UNREACHABLE
    transient = True


class PictureTooLarge(PictureError):
    """More bytes or pixels than are allowed."""

    code = ErrorCode.PICTURE_TOO_LARGE


class NotAPicture(PictureError):
    """The bytes do not decode as an image."""


class HostNotAllowed(PictureError):
    """The link leads to ``host``, which is not in ``GENART_IMAGE_HOSTS``."""

    code = ErrorCode.HOST_NOT_ALLOWED

    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.host = host


class SourceUnusable(VaryError):
    """The picture that a generation starts from can't be used; ``cause`` says why."""

    def __init__(self, cause: PictureError) -> None:
        super().__init__(cause)
        self.code = ErrorCode(f"source_{cause.code}")
        self.transient = cause.transient


class ChartFailed(VaryError):
    """The process that draws charts gave none."""


class DeliveryFailed(VaryError):
    """Discord took the message nowhere."""

    code = ErrorCode.UNDELIVERED


class CardUnavailable(DeliveryFailed):
    """There is no card that a tile could be attached to, nor a place for a new one."""

    code = ErrorCode.NO_CARD


class UploadRefused(DeliveryFailed):
    """Discord does not take an upload of that size."""


class Blocked(DeliveryFailed):
    """Discord refuses what the message says or links to: AutoMod, or a harmful link."""

    code = ErrorCode.BLOCKED


class MessageGone(DeliveryFailed):
    """The message that a request is about has been deleted."""


class HistoryUnreadable(DeliveryFailed):
    """The bot may not read the channel's history, so whether a result is posted is unknown."""

    code = ErrorCode.MAYBE_POSTED


class DiscordUnavailable(DeliveryFailed):
    """Discord does not answer, or asks to wait; it may take the very same request later.

    ``retry_after`` is in seconds, 0 where Discord says nothing of it.
    """

    transient = True

    def __init__(self, retry_after: float = 0) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after
