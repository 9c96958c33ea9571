import JSON

extension KubeClient {
    /// Yields what happens to the objects of a resource after a version. The stream ends when the server ends the watch
    /// after its time; go on from the last event's resource version. It throws `KubeClientError`: `.refused` with code
    /// 410 if the version is too old, `.unreachable` if the connection was lost.
    ///
    /// Nothing is read ahead beyond `KubeClientLimits.unreadEvents`. A stream that is dropped or cancelled ends its
    /// connection.
    ///
    /// - Parameters:
    ///   - resourceVersion: That of a list or of an event.
    ///   - seconds: How long the server lets the watch last.
    ///   - limit: How long the server may take to begin.
    public func watch(
        _ resource: KubeResource, namespace: String? = nil, labelSelector: String? = nil,
        fieldSelector: String? = nil, from resourceVersion: String, seconds: Int = 300,
        within limit: Duration = .seconds(10)
    ) -> AsyncThrowingStream<WatchEvent, any Error> {
        let request = KubeRequest(
            resource, namespace, labelSelector: labelSelector, fieldSelector: fieldSelector,
            [
                ("watch", "true"), ("allowWatchBookmarks", "true"), ("resourceVersion", resourceVersion),
                ("timeoutSeconds", "\(seconds)"),
            ])
        let watch = Watch(self, request, within: limit, lifetime: .seconds(seconds + 30))
        return AsyncThrowingStream { try await watch.next() }
    }
}

extension KubeRequest {
    /// A request for objects of a resource.
    init(
        _ resource: KubeResource, _ namespace: String?, labelSelector: String?, fieldSelector: String?,
        _ query: [(String, String)]
    ) {
        self.init(path: resource.path(namespace: namespace, name: nil), query: query)
        if let labelSelector { self.query.append(("labelSelector", labelSelector)) }
        if let fieldSelector { self.query.append(("fieldSelector", fieldSelector)) }
    }
}

/// A watch, read one event at a time by one reader.
actor Watch {
    private let client: KubeClient
    private let request: KubeRequest
    private let limit: Duration
    private let lifetime: Duration
    private var stream: LineStream?
    private var lines: ArraySlice<[UInt8]> = []

    init(_ client: KubeClient, _ request: KubeRequest, within limit: Duration, lifetime: Duration) {
        self.client = client
        self.request = request
        self.limit = limit
        self.lifetime = lifetime
    }

    /// Waits until the server has begun.
    func begin() async throws {
        if stream == nil { stream = try await client.lines(of: request, within: limit, lifetime: lifetime) }
    }

    /// The next event, nil when the server has ended the watch.
    func next() async throws -> WatchEvent? {
        try await begin()
        if lines.isEmpty {
            guard let stream else { return nil }
            lines = try await stream.next()[...]
        }
        guard let line = lines.popFirst() else { return nil }
        let event = try WatchEvent(line: line)
        guard event.kind == .error else { return event }
        throw KubeClientError.refused(
            KubeCoding.status(of: KubeResponse(status: 500, body: event.object.octets)))
    }
}

extension WatchEvent {
    /// Reads a line of a watch: an object with `type` and `object`.
    init(line: [UInt8]) throws(KubeClientError) {
        var kind: String?
        var object: Range<Int>?
        do throws(JSONText.Mistake) {
            try JSONText.read(line) { cursor throws(JSONText.Mistake) in
                try cursor.object { key, cursor throws(JSONText.Mistake) in
                    switch key {
                    case "type": kind = try cursor.stringIfAny()
                    case "object" where try cursor.isAtObject(): object = try cursor.skip()
                    default: try cursor.skip()
                    }
                }
            }
            guard let kind = kind.flatMap(Kind.init(rawValue:)), let object else {
                throw JSONText.Mistake(offset: 0, problem: "no type or no object")
            }
            let version = try KubeObjectHead(of: line[object]).resourceVersion
            self.init(
                kind: kind, object: KubeBody(octets: Array(line[object])),
                resourceVersion: version.isEmpty ? nil : version)
        } catch {
            throw .malformed("an event of a watch: \(error)")
        }
    }
}
