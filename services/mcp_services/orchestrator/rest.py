"""The REST interface to workflows and their runs."""

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mcp_services.core.identity import Subject
from mcp_services.core.jsonrpc import reply, unavailable
from mcp_services.orchestrator.run import NotKeptError, Status
from mcp_services.orchestrator.server import SUBJECT_KEY, NoStoreError, Orchestrator
from mcp_services.orchestrator.workflow import BusyError, InvalidInputError


class RestApi:
    """The handlers; they do what the tools do."""

    def __init__(self, orchestrator: Orchestrator) -> None:
        """Serve from `orchestrator`."""
        self._orchestrator = orchestrator

    def routes(self) -> list[Route]:
        """The resources."""
        return [
            Route("/v1/workflows", self.listing),
            Route("/v1/workflows/{name}/runs", self.start, methods=["POST"]),
            Route("/v1/runs/{run}", self.state),
            Route("/v1/runs/{run}", self.cancel, methods=["DELETE"]),
        ]

    async def listing(self, _: Request) -> Response:
        """Answer `GET /v1/workflows`."""
        return reply({"workflows": self._orchestrator.listed()})

    async def start(self, request: Request) -> Response:
        """Answer `POST /v1/workflows/{name}/runs`: with the result, or at once with `?async=true`."""
        name, subject = request.path_params["name"], _subject(request)
        try:
            given = orjson.loads(await request.body() or b"{}")
            if request.query_params.get("async") == "true":
                run = await self._orchestrator.begin_durable(name, given, subject)
                answer = reply(run.as_dict(), 202)
                answer.headers["Location"] = f"/api/v1/runs/{run.id}"
                return answer
            run = self._orchestrator.begin(name, given, subject)
            return reply(await self._orchestrator.finish(run))
        except KeyError:
            said, status = "no such workflow", 404
        except (InvalidInputError, orjson.JSONDecodeError) as error:
            said, status = str(error), 422
        except NoStoreError as error:
            said, status = str(error), 501
        except (NotKeptError, BusyError) as error:
            return unavailable(str(error))
        return reply({"error": said}, status)

    async def state(self, request: Request) -> Response:
        """Answer `GET /v1/runs/{run}`."""
        try:
            return reply(await self._orchestrator.state(request.path_params["run"], _subject(request)))
        except KeyError:
            return reply({"error": "no such run"}, 404)
        except NotKeptError as error:
            return unavailable(str(error))

    async def cancel(self, request: Request) -> Response:
        """Answer `DELETE /v1/runs/{run}`: with the run's state, by 202 while it has yet to end."""
        try:
            shown = await self._orchestrator.cancel(request.path_params["run"], _subject(request))
        except KeyError:
            return reply({"error": "no such run"}, 404)
        except NotKeptError as error:
            return unavailable(str(error))
        return reply(shown, 202 if shown["status"] == Status.RUNNING else 200)


def _subject(request: Request) -> Subject:
    found: Subject = request.scope[SUBJECT_KEY]
    return found
