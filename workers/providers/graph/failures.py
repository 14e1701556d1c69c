"""What can go wrong between Opsrun and Graph, as failures that say what to do.

No message contains a token, a credential, or a link of Graph, which may be signed.
"""

from domain.runs.failures import FailureReason, ProducerError

_MAX_CODE = 100


class GraphError(ProducerError):
    """Graph refused a request for good; `status` is that of its answer."""

    def __init__(self, reason: FailureReason, message: str, status: int, code: str) -> None:
        super().__init__(reason, message)
        self.status = status
        self.code = code


def unavailable(what: str) -> ProducerError:
    """Return the failure that a later start may not have."""
    return ProducerError(FailureReason.PROVIDER_UNAVAILABLE, what)


def not_configured(what: str) -> ProducerError:
    """Return the failure of a setting that the operator has to correct."""
    return ProducerError(FailureReason.PROVIDER_NOT_CONFIGURED, what)


def unauthorized(what: str) -> ProducerError:
    """Return the failure of a credential or permission that Microsoft Entra refused."""
    return ProducerError(FailureReason.PROVIDER_UNAUTHORIZED, what)


def unexpected(path: str, what: str) -> ProducerError:
    """Return the failure of an answer that is not Graph's usual one."""
    return unavailable(f"Graph's answer for {path} {what}. Start the run again.")


def refused(path: str, status: int, code: object, request_id: str) -> GraphError:
    """Return the failure of a request that Graph refused, such as 403 or 404."""
    # A code is a word, but an emulator or a proxy may send anything.
    short = str(code)[:_MAX_CODE] if isinstance(code, str) else "no code"
    answer = f"{status} {short} (request-id {request_id})"
    if status in (401, 403):
        return GraphError(
            FailureReason.PROVIDER_UNAUTHORIZED,
            f"Graph refused {path}: {answer}. Give the app the permission for it, with an"
            " administrator's consent.",
            status,
            short,
        )
    return GraphError(
        FailureReason.PROVIDER_REFUSED, f"Graph refused {path}: {answer}.", status, short
    )


def gave_up(path: str, what: str, tries: int) -> ProducerError:
    """Return the failure after the last try of a request that might have succeeded."""
    return unavailable(f"Graph did not answer {path} after {tries} tries: {what}.")
