import JSON

/// One page of a list, cut into its objects.
struct KubeListPage {
    var resourceVersion = ""
    /// What asks for the next page; empty for the last one.
    var next = ""
    /// The objects' JSON texts.
    var items: [[UInt8]] = []
    private var hasItems = false

    init(_ octets: [UInt8]) throws(KubeClientError) {
        do throws(JSONText.Mistake) {
            self = try JSONText.read(octets) { cursor throws(JSONText.Mistake) in
                try Self.read(&cursor, octets)
            }
        } catch {
            throw .malformed("a list: \(error)")
        }
        guard !resourceVersion.isEmpty else { throw .malformed("a list without a resource version") }
        // Another answer must not be taken for a list of nothing, after which everything known would be gone.
        guard hasItems else { throw .malformed("a list without items") }
    }

    private init() {}

    private static func read(_ cursor: inout JSONCursor, _ octets: [UInt8]) throws(JSONText.Mistake) -> KubeListPage {
        var page = KubeListPage()
        try cursor.object { key, cursor throws(JSONText.Mistake) in
            switch key {
            case "metadata":
                try cursor.object { key, cursor throws(JSONText.Mistake) in
                    switch key {
                    case "resourceVersion": page.resourceVersion = try cursor.stringIfAny() ?? ""
                    case "continue": page.next = try cursor.stringIfAny() ?? ""
                    default: try cursor.skip()
                    }
                }
            case "items" where try cursor.isAtArray():
                page.hasItems = true
                try cursor.array { cursor throws(JSONText.Mistake) in
                    page.items.append(Array(octets[try cursor.skip()]))
                }
            case "items":
                // A list without objects may have null for them.
                let value = try cursor.skip()
                page.hasItems = octets[value].elementsEqual("null".utf8)
            default: try cursor.skip()
            }
        }
        return page
    }
}

extension KubeUnreadable {
    init(_ octets: [UInt8], _ error: any Error) {
        let head = (try? KubeObjectHead(of: octets)) ?? KubeObjectHead()
        self.init(namespace: head.namespace, name: head.name, reason: "\(error)")
    }
}

extension KubeClient {
    /// Lists page by page. A list whose next page the server no longer has is begun again as one page.
    func pages<Object: Sendable>(
        _ request: KubeRequest, limit: Int?, until deadline: ContinuousClock.Instant,
        read: ([UInt8]) throws -> Object
    ) async throws -> KubeList<Object> {
        var list = KubeList<Object>(resourceVersion: "", items: [])
        var next = ""
        for _ in 0..<limits.pages {
            var request = request
            if let limit { request.query.append(("limit", "\(limit)")) }
            if !next.isEmpty {
                // The next page is of the first one's version.
                request.query.removeAll { $0.0 == "resourceVersion" }
                request.query.append(("continue", next))
            }
            let octets: [UInt8]
            do {
                octets = try await ask(request, within: deadline - .now).octets
            } catch KubeClientError.refused(let status) where status.isExpired && !next.isEmpty {
                return try await pages(request.firstPage, limit: nil, until: deadline, read: read)
            }
            let page = try KubeListPage(octets)
            for item in page.items {
                do { list.items.append(try read(item)) } catch { list.unreadable.append(KubeUnreadable(item, error)) }
            }
            list.resourceVersion = page.resourceVersion
            guard !page.next.isEmpty else { return list }
            next = page.next
        }
        throw KubeClientError.malformed("a list of more than \(limits.pages) pages")
    }
}

extension KubeRequest {
    fileprivate var firstPage: KubeRequest {
        var request = self
        request.query.removeAll { $0.0 == "continue" || $0.0 == "limit" || $0.0 == "resourceVersion" }
        return request
    }
}
