import KubeClient
import ServedObjects
import TestAPIServer
import Testing

@testable import ClusterClient

@Suite struct IdentityTests {
    private static func path(_ number: UInt32) -> String { "\(Cluster.cilium)/ciliumidentities/\(number)" }

    @Test func `the same labels have the same number, and no number two sets, whoever asks at whatever moment`()
        async throws
    {
        let server = try TestAPIServer()
        // Every second set finds its number taken by somebody else's labels.
        let sets = (0..<40).map { ["k8s:app=\($0)", "k8s:io.kubernetes.pod.namespace=default"] }
        for set in sets.enumerated() where set.offset % 2 == 0 {
            let number = IdentityNumber.derive(from: set.element)
            server.put(Self.path(number), CiliumIdentity(number: number, labels: ["k8s:other=\(set.offset)"]).json)
        }
        let allocators = try (0..<4).map { _ in IdentityAllocator(try server.client(), IdentityTable()) }
        let results = try await withThrowingTaskGroup(of: (Int, Int, UInt32).self) { group in
            for (node, allocator) in allocators.enumerated() {
                for (index, set) in sets.enumerated() {
                    group.addTask { (node, index, try await allocator.allocate(set, within: .seconds(30))) }
                }
            }
            var results: [Int: [Int: UInt32]] = [:]
            for try await (node, index, number) in group { results[node, default: [:]][index] = number }
            return results
        }
        for node in 1..<4 { #expect(results[node] == results[0]) }
        let numbers = try #require(results[0])
        #expect(Set(numbers.values).count == sets.count)
        for (index, number) in numbers {
            let served = try CiliumIdentity(try #require(server.object(Self.path(number))))
            #expect(served.labels == sets[index])
            #expect((number == IdentityNumber.derive(from: sets[index])) == (index % 2 == 1))
        }
    }

    @Test func `without a server, what is known holds and what is not fails with the reason`() async throws {
        let server = try TestAPIServer()
        let table = IdentityTable()
        table.remember(5000, ["k8s:app=web"])
        server.stop()
        let allocator = IdentityAllocator(try server.client(), table)
        #expect(try await allocator.allocate(["k8s:app=web"], within: .seconds(5)) == 5000)
        let error = await #expect(throws: IdentityFailure.self) {
            try await allocator.allocate(["k8s:app=db"], within: .seconds(5))
        }
        #expect(error?.description.contains("unreachable") == true && error?.isRefusal == false)
        // One that is there and refuses may take other labels.
        try server.start()
        server.setBroken(true)
        let refusal = await #expect(throws: IdentityFailure.self) {
            try await allocator.allocate(["k8s:app=db"], within: .seconds(5))
        }
        #expect(refusal?.isRefusal == true)
    }

    @Test func `one that was deleted and is in use is created again with its number`() async throws {
        let server = try TestAPIServer()
        let table = IdentityTable()
        let labels = ["k8s:app=web"]
        let allocator = IdentityAllocator(try server.client(), table)
        let number = IdentityNumber.candidates(of: labels)[3]
        #expect(try await allocator.allocate(labels, preferring: number, within: .seconds(5)) == number)
        server.remove(Self.path(number))
        #expect(try await allocator.allocate(labels, preferring: number, within: .seconds(5)) == number)
        #expect(server.object(Self.path(number)) != nil)
    }

    @Test func `a number that the server gave to others is not this node's any more`() {
        let table = IdentityTable()
        table.remember(5000, ["k8s:app=web"])
        table.set(CiliumIdentity(number: 5000, labels: ["k8s:app=db"]))
        #expect(table.number(of: ["k8s:app=web"]) == nil)
        #expect(table.number(of: ["k8s:app=db"]) == 5000)
        table.remove(5000)
        #expect(table.number(of: ["k8s:app=db"]) == nil)
    }

    @Test func `of two numbers with the same labels all take the lower one`() {
        let (one, two) = (IdentityTable(), IdentityTable())
        let high = CiliumIdentity(number: 6000, labels: ["k8s:app=web"])
        let low = CiliumIdentity(number: 5000, labels: ["k8s:app=web"])
        one.set(high)
        one.set(low)
        two.list([low, high])
        #expect(one.number(of: ["k8s:app=web"]) == 5000 && two.number(of: ["k8s:app=web"]) == 5000)
        one.set(high)
        #expect(one.number(of: ["k8s:app=web"]) == 5000)
        // What is left is the same, whether a watch or a list tells of it.
        one.remove(5000)
        two.list([high])
        #expect(one.number(of: ["k8s:app=web"]) == 6000 && two.number(of: ["k8s:app=web"]) == 6000)
        one.remove(6000)
        #expect(one.number(of: ["k8s:app=web"]) == nil)
    }
}
