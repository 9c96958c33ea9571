import JSON
public import Prober

/// Answers every request with what came, for `http` and for echoes over TLS.
public enum WebEcho {
    public static func answer(_ request: WebRequest) -> WebAnswer {
        WebAnswer(body: JSONText.octets(of: description(of: request)))
    }

    static func description(of request: WebRequest) -> JSONValue {
        .object([
            "method": .string(request.method), "path": .string(request.path), "from": .string(request.peer),
            "query": .object(request.query.mapValues { .string($0) }),
            "headers": .object(request.headers.mapValues { .string($0) }),
            "octets": .integer(Int64(request.body.count)),
        ])
    }
}
