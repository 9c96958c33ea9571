import ClusterClient
import DatapathOptions
import Hashing
import JSON
import NetAddress
import Netlink
import ServedObjects
import Testing

@testable import CloudAPI
@testable import Datapath

/// What a node asks the cloud for, and which addresses its pods get. No cloud takes part.
@Suite struct InterfacePlanTests {
    private func interface(_ number: Int, addresses: Int, prefixes: Int = 0) -> CloudInterface {
        CloudInterface(
            id: "eni-\(number)", mac: "02:00:00:00:00:0\(number)", subnetID: "nodes", subnetCIDR: "10.0.0.0/16",
            gateway: "10.0.0.1", deviceIndex: number, primaryAddress: "10.0.\(number).10",
            secondaryAddresses: (0..<addresses).map { "10.0.\(number).\(11 + $0)" },
            prefixes: (0..<prefixes).map { "10.0.\(number).\(64 + 16 * $0)/28" }, securityGroups: ["nodes"])
    }

    private func instance(_ interfaces: [CloudInterface], _ count: Int = 3, _ addresses: Int = 6) -> CloudInstance {
        CloudInstance(
            instanceID: "i-1", node: "node1", instanceType: "t3.medium",
            limits: InstanceLimits(interfaces: count, addressesPerInterface: addresses), vpcCIDR: "10.0.0.0/16",
            interfaces: interfaces)
    }

    private func next(
        _ instance: CloudInstance, inUse: Int, refused: Int = 0, prefixes: Bool = false, releases: Bool = false,
        _ change: (inout DatapathOptions.ENI) -> Void = { _ in }
    ) -> InterfacePlan.Decision {
        var options = DatapathOptions().eni
        change(&options)
        let all = InterfacePool.interfaces(of: instance, from: 0).flatMap { $0.addresses.sorted() }
        return InterfacePlan.next(
            instance, inUse: Set(all.prefix(inUse)), refused: refused, options: options, usesPrefixes: prefixes,
            releases: releases)
    }

    @Test func theFirstInterfaceIsFilledBeforeAnotherIsAttached() {
        #expect(next(instance([interface(0, addresses: 2)]), inUse: 2).step == .assign(interface: "eni-0", count: 3))
        #expect(next(instance([interface(0, addresses: 5)]), inUse: 2).step == .attach(count: 5, prefixes: 0))
        let two = instance([interface(0, addresses: 5), interface(1, addresses: 5)])
        #expect(next(two, inUse: 2) == .init(step: .nothing, limit: nil))
        #expect(next(two, inUse: 4).step == .attach(count: 2, prefixes: 0))
    }

    @Test func theLimitIsNamedWhenTheTypeAllowsNoMore() {
        let full = instance((0..<3).map { interface($0, addresses: 5) })
        let decision = next(full, inUse: 15, refused: 2)
        #expect(decision.step == .nothing)
        #expect(decision.limit == "instance type t3.medium allows 3 network interfaces of 6 addresses each")
        #expect(next(full, inUse: 7).limit == nil, "as many are free as there should be")
    }

    @Test func aTypeWithoutSecondaryAddressesGetsNoInterfaces() {
        #expect(next(instance([interface(0, addresses: 0)], 3, 1), inUse: 0).step == .nothing)
        #expect(next(instance([interface(0, addresses: 0)], 3, 1), inUse: 0).limit != nil)
    }

    @Test func watermarksDecideHowMany() {
        let one = instance([interface(0, addresses: 5)], 3, 15)
        #expect(next(one, inUse: 5) { $0.preAllocate = 2 }.step == .assign(interface: "eni-0", count: 2))
        #expect(
            next(one, inUse: 5) { ($0.preAllocate, $0.maxAboveWatermark) = (2, 3) }.step
                == .assign(interface: "eni-0", count: 5))
        #expect(
            next(one, inUse: 2) { ($0.preAllocate, $0.minAllocate) = (1, 10) }.step
                == .assign(interface: "eni-0", count: 5))
        #expect(next(one, inUse: 5) { $0.preAllocate = 0 }.step == .nothing)
        #expect(
            next(one, inUse: 5, refused: 3) { $0.preAllocate = 0 }.step == .assign(interface: "eni-0", count: 1),
            "a pod waits")
    }

    @Test func interfacesBelowTheFirstOneAreLeftAlone() {
        let one = instance([interface(0, addresses: 0)])
        #expect(next(one, inUse: 0) { $0.nodeSpec.firstInterfaceIndex = 1 }.step == .attach(count: 5, prefixes: 0))
    }

    @Test func prefixesTakeTheSlotsOfSingleAddresses() {
        #expect(
            next(instance([interface(0, addresses: 2)]), inUse: 2, prefixes: true).step
                == .assignPrefixes(interface: "eni-0", count: 1))
        let delegated = instance([interface(0, addresses: 0, prefixes: 1)])
        #expect(InterfacePool.interfaces(of: delegated, from: 0)[0].addresses.count == 16)
        #expect(next(delegated, inUse: 8, prefixes: true).step == .nothing)
        #expect(next(delegated, inUse: 9, prefixes: true).step == .assignPrefixes(interface: "eni-0", count: 1))
        #expect(
            next(instance([interface(0, addresses: 5)]), inUse: 5, prefixes: true).step
                == .attach(count: 0, prefixes: 1))
    }

    @Test func whatIsAboveTheWatermarkIsGivenBackAndNothingElse() throws {
        let two = instance([interface(0, addresses: 5), interface(1, addresses: 5)])
        #expect(next(two, inUse: 2, releases: false) { $0.preAllocate = 2 }.step == .nothing)
        #expect(
            next(two, inUse: 2, releases: true) { $0.preAllocate = 4 }.step
                == .unassign(
                    interface: "eni-1", addresses: ["10.0.1.12", "10.0.1.13", "10.0.1.14", "10.0.1.15"], prefixes: []))
        #expect(next(two, inUse: 2, releases: true) { ($0.preAllocate, $0.minAllocate) = (2, 10) }.step == .nothing)
        #expect(next(two, inUse: 2, releases: true) { $0.preAllocate = 8 }.step == .nothing)
        let prefixes = instance([interface(0, addresses: 0, prefixes: 2)])
        #expect(
            next(prefixes, inUse: 3, prefixes: true, releases: true).step
                == .unassign(interface: "eni-0", addresses: [], prefixes: ["10.0.0.80/28"]))
        #expect(next(prefixes, inUse: 10, prefixes: true, releases: true).step == .nothing)
    }

    /// The node asks until there is nothing left to ask for. For every type this comes to an end, within the type's
    /// limits.
    @Test func aNodeSettlesWithinItsLimits() {
        var random = SplitMix64(seed: 7)
        for _ in 0..<500 {
            let limits = (Int.random(in: 1...8, using: &random), Int.random(in: 1...30, using: &random))
            let usesPrefixes = Bool.random(using: &random)
            var node = instance([interface(0, addresses: 0)], limits.0, limits.1)
            var options = DatapathOptions().eni
            options.preAllocate = Int.random(in: 0...40, using: &random)
            options.minAllocate = Int.random(in: 0...40, using: &random)
            options.maxAboveWatermark = Int.random(in: 0...10, using: &random)
            var decision = InterfacePlan.Decision(step: .nothing)
            var steps = 0
            repeat {
                decision = InterfacePlan.next(
                    node, inUse: [], refused: 1, options: options, usesPrefixes: usesPrefixes, releases: false)
                apply(decision.step, to: &node)
                steps += 1
            } while decision.step != .nothing && steps < 100
            #expect(steps < 100)
            #expect(node.interfaces.count <= limits.0)
            #expect(
                node.interfaces.allSatisfy { 1 + $0.secondaryAddresses.count + $0.prefixes.count <= max(1, limits.1) })
            let total = InterfacePool.interfaces(of: node, from: 0).reduce(0) { $0 + $1.addresses.count }
            #expect(decision.limit != nil || total >= max(1, options.preAllocate, options.minAllocate))
        }
    }

    private func apply(_ step: InterfacePlan.Step, to node: inout CloudInstance) {
        func grow(_ place: Int, _ addresses: Int, _ prefixes: Int) {
            let old = node.interfaces[place]
            node.interfaces[place] = interface(
                old.deviceIndex ?? 0, addresses: old.secondaryAddresses.count + addresses,
                prefixes: old.prefixes.count + prefixes)
        }
        switch step {
        case .nothing, .unassign: break
        case .assign(let id, let count):
            if let place = node.interfaces.firstIndex(where: { $0.id == id }) { grow(place, count, 0) }
        case .assignPrefixes(let id, let count):
            if let place = node.interfaces.firstIndex(where: { $0.id == id }) { grow(place, 0, count) }
        case .attach(let count, let prefixes):
            node.interfaces.append(interface(node.interfaces.count, addresses: count, prefixes: prefixes))
        }
    }

    // MARK: The pool

    @Test func addressesAreGivenOutInOrderAndComeBackLast() throws {
        let router = IPv4Address(10, 0, 0, 11)
        let health = IPv4Address(10, 0, 0, 12)
        var pool = InterfacePool(
            instance([interface(0, addresses: 4)]), firstInterface: 0, router: router, health: health)
        #expect(pool.capacity == 4 && pool.inUse == 2)
        let first = try pool.allocate()
        #expect(first == IPv4Address(10, 0, 0, 13))
        pool.release(first)
        #expect(try pool.allocate() == IPv4Address(10, 0, 0, 14))
        #expect(try pool.allocate() == first)
        pool.release(router)
        #expect(throws: DatapathError.addressesPending(inUse: 4, failure: nil)) { try pool.allocate() }
        #expect(pool.refused == 1)
        pool.limit = "the limit"
        #expect(throws: DatapathError.interfacesExhausted(inUse: 4, limit: "the limit")) { try pool.allocate() }
        pool.update(instance([interface(0, addresses: 4), interface(1, addresses: 1)]), firstInterface: 0)
        let next = try pool.allocate()
        #expect(pool.interface(of: next)?.number == 1)
    }

    @Test func anAddressThatTheCloudTookAwayIsNotRestored() {
        var pool = InterfacePool(
            instance([interface(0, addresses: 4)]), firstInterface: 0, router: IPv4Address(10, 0, 0, 11),
            health: IPv4Address(10, 0, 0, 12))
        let restored = [14, 14, 15, 11].map { pool.restore(IPv4Address(10, 0, 0, $0)) }
        #expect(restored == [true, false, false, false])
    }

    @Test func whatIsGivenBackIsNotHandedOutMeanwhile() throws {
        let node = instance([interface(0, addresses: 4)])
        var pool = InterfacePool(
            node, firstInterface: 0, router: IPv4Address(10, 0, 0, 11), health: IPv4Address(10, 0, 0, 12))
        let isWithheld = pool.withhold([IPv4Address(10, 0, 0, 13)])
        #expect(isWithheld)
        pool.update(node, firstInterface: 0)
        let given = try pool.allocate()
        #expect(given == IPv4Address(10, 0, 0, 14))
        let isTaken = pool.withhold([given])
        #expect(!isTaken)
        #expect(throws: DatapathError.self) { try pool.allocate() }
        // The cloud refused, so the address may be handed out again.
        pool.endWithholding()
        pool.update(node, firstInterface: 0)
        #expect(try pool.allocate() == IPv4Address(10, 0, 0, 13))
    }

    @Test func theFirstAddressesStayThoseOfTheLastStart() {
        let node = instance([interface(0, addresses: 4)])
        let taken: Set = [IPv4Address(10, 0, 0, 11)]
        let chosen = FirstAddresses.choose(nil, taken: taken, node, from: 0)
        #expect(chosen?.router == IPv4Address(10, 0, 0, 12) && chosen?.health == IPv4Address(10, 0, 0, 13))
        let known = FirstAddresses(router: "10.0.0.14", health: "10.0.0.11")
        #expect(FirstAddresses.choose(known, taken: taken, node, from: 0)?.router == IPv4Address(10, 0, 0, 14))
        let gone = FirstAddresses(router: "10.0.9.9", health: "10.0.0.11")
        #expect(FirstAddresses.choose(gone, taken: [], node, from: 0)?.router == IPv4Address(10, 0, 0, 11))
        #expect(FirstAddresses.choose(nil, taken: [], instance([interface(0, addresses: 1)]), from: 0) == nil)
    }

    // MARK: Routing

    @Test func everyPodHasTwoRulesAndEveryInterfaceATable() {
        let pod = IPv4Address(10, 0, 0, 13)
        let vpc = IPv4CIDR("10.0.0.0/16")
        let rules = InterfaceRouting.rules([pod: 1], towards: vpc)
        #expect(
            rules == [
                RoutingRule(priority: 20, destination: IPv4CIDR(host: pod), table: 254, origin: NodeRoutes.origin),
                RoutingRule(
                    priority: 111, source: IPv4CIDR(host: pod), destination: vpc, table: 11, origin: NodeRoutes.origin),
            ])
        let routes = InterfaceRouting.routes(number: 2, gateway: IPv4Address(10, 0, 0, 1), linkIndex: 5, mtu: 1500)
        #expect(routes.map(\.table) == [12, 12])
        #expect(routes.map(\.gateway) == [nil, IPv4Address(10, 0, 0, 1)])
    }

    // MARK: HTTP

    @Test(arguments: [
        "", "HTTP/1.1 200 OK\r\n", "HTTP/1.1\r\n\r\n", "FTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 9 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
    ])
    func whatIsNoWholeAnswerIsRefused(_ text: String) {
        #expect(throws: CloudFailure.self) { try HTTPAnswer(Array(text.utf8)) }
    }

    @Test func answersAreRead() throws {
        let answer = try HTTPAnswer(Array("HTTP/1.1 400 Bad Request\r\ncontent-length: 3\r\n\r\na\r\n".utf8))
        #expect(answer.status == 400 && answer.body == Array("a\r\n".utf8))
    }

    /// Answers that were cut off or changed are refused, or read as an answer that is no longer than their bytes.
    @Test func mutatedAnswersAreReadOrRefused() {
        let whole = Array("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}".utf8)
        var random = SplitMix64(seed: 11)
        var read = 0
        for _ in 0..<20_000 {
            var bytes = Array(whole.prefix(Int.random(in: 0...whole.count, using: &random)))
            for _ in 0..<Int.random(in: 0...3, using: &random) where !bytes.isEmpty {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: .min ... .max, using: &random)
            }
            let answer = try? HTTPAnswer(bytes)
            if bytes == whole {
                #expect(answer?.status == 200 && answer?.body == Array("{}".utf8))
            } else if whole.starts(with: bytes) {
                #expect(answer == nil, "\(bytes.count) of \(whole.count) bytes were taken for the whole answer")
            }
            guard let answer else { continue }
            read += 1
            #expect((100...599).contains(answer.status) && answer.body.count < bytes.count)
        }
        #expect((1..<20_000).contains(read), "\(read) of 20000 were read")
    }

    @Test func aCiliumNodeShowsInterfacesPoolAndOwners() throws {
        let instance = instance([interface(0, addresses: 1), interface(1, addresses: 2)])
        let addresses = ["10.0.1.11", "10.0.1.12", "10.0.0.11"].compactMap { IPv4Address($0) }
        let pool = InterfacePool(instance, firstInterface: 0, router: addresses[0], health: addresses[1])
        var statement = NodeStatement(CiliumNode(metadata: ObjectHead(name: "node1")))
        CloudStatement(pool, firstInterface: 0, owners: [addresses[0]: "router", addresses[2]: "default/web-1"])
            .add(to: &statement)
        #expect(statement.spec["instance-id"]?.text == "i-1")
        #expect(statement.spec["eni"]?["instance-type"]?.text == "t3.medium")
        let shown = statement.spec["ipam"]?["pool"]
        #expect(shown?.members?.keys.sorted() == ["10.0.0.11", "10.0.1.11", "10.0.1.12"])
        #expect(shown?["10.0.1.12"]?["resource"]?.text == "eni-1")
        let used = statement.status["ipam"]?["used"]
        #expect(used?["10.0.0.11"]?["owner"]?.text == "default/web-1")
        #expect(used?["10.0.0.11"]?["resource"]?.text == "eni-0")
        #expect(statement.status["eni"]?["enis"]?["eni-1"]?["number"]?.integerValue == 1)
    }
}
