import JSON
import KubeClient
import ServedObjects
import TestAPIServer
import Testing

@testable import Operator

/// What the operator reads of an API server.
@Suite struct ServedStoreTests {
    private static let path = "/apis/cilium.io/v2/ciliumnodes/"

    private func store(_ server: TestAPIServer) throws -> ServedOperatorStore {
        ServedOperatorStore(
            client: KubeClient(
                KubeServer(
                    host: "127.0.0.1", port: server.port, authorityPEM: try server.credentials.authorityPEM,
                    credential: .none), userAgent: "test"))
    }

    @Test func `the range of a node that cannot be read is given to nobody`() async throws {
        let server = try TestAPIServer()
        let store = try store(server)
        server.put(Self.path + "a", CiliumNode(metadata: ObjectHead(name: "a"), podCIDRs: ["10.0.0.64/26"]).json)
        let holder = try #require(try await store.holders(within: .seconds(10)).first)
        #expect(holder.name == "a" && holder.ranges == ["10.0.0.64/26"] && !holder.version.isEmpty)
        let many = JSONValue.array(Array(repeating: .object([:]), count: 1000))
        server.put(
            Self.path + "b",
            .object([
                "metadata": .object(["name": .string("b")]),
                "spec": .object([
                    "addresses": many, "ipam": .object(["podCIDRs": .array([.string("10.0.0.128/26")])]),
                ]),
            ]))
        let error = await #expect(throws: OperatorError.self) { try await store.holders(within: .seconds(10)) }
        #expect(error?.description == "ciliumnodes: 1 cannot be read: b: spec.addresses: 1000 elements")
    }

    @Test func `what has changed since it was seen without an owner is not deleted`() async throws {
        let server = try TestAPIServer()
        let store = try store(server)
        let path = Self.path + "a"
        server.put(path, CiliumNode(metadata: ObjectHead(name: "a")).json)
        let seen = try #require(try await store.inventory(within: .seconds(10)).ciliumNodes.first)
        // The same object with another version.
        server.put(path, try #require(server.object(path)))
        let error = await #expect(throws: KubeClientError.self) {
            try await store.delete(.node, seen, within: .seconds(10))
        }
        #expect(error?.status?.isConflict == true && server.object(path)?["metadata"]?["uid"]?.text == seen.uid)
        let now = try #require(try await store.inventory(within: .seconds(10)).ciliumNodes.first)
        try await store.delete(.node, now, within: .seconds(10))
        #expect(server.object(path) == nil)
    }
}
