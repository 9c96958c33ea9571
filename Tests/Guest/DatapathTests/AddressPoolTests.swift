import NetAddress
import Testing

@testable import Datapath

@Suite struct AddressPoolTests {
    private func pool(_ text: String = "192.168.1.0/24") throws -> AddressPool {
        try AddressPool(try #require(IPv4CIDR(text)))
    }

    @Test func theFirstAddressesAreTheNodes() throws {
        var pool = try pool()
        #expect(pool.router.description == "192.168.1.1")
        #expect(pool.health.description == "192.168.1.2")
        #expect(pool.inUse == 2 && pool.capacity == 254)
        #expect(try pool.allocate().description == "192.168.1.3")
    }

    @Test func everyAddressIsGivenOnceAndThenTheErrorSaysSo() throws {
        var pool = try pool()
        var given = Set<IPv4Address>()
        for _ in 0..<252 { given.insert(try pool.allocate()) }
        #expect(given.count == 252)
        #expect(!given.contains(pool.router) && !given.contains(pool.health))
        #expect(given.max()?.description == "192.168.1.254")
        #expect(throws: DatapathError.addressesExhausted(pool: "192.168.1.0/24", inUse: 254)) { try pool.allocate() }
        pool.release(IPv4Address(192, 168, 1, 77))
        #expect(try pool.allocate().description == "192.168.1.77")
    }

    @Test func aReleasedAddressComesBackLast() throws {
        var pool = try pool("10.1.2.0/29")
        let first = try pool.allocate()
        pool.release(first)
        #expect(try pool.allocate() != first)
    }

    @Test func restoredAddressesAreTakenAndStrangersRefused() throws {
        var pool = try pool()
        let nine = IPv4Address(192, 168, 1, 9)
        let restored = [nine, nine, IPv4Address(192, 168, 2, 9), pool.router].map { pool.restore($0) }
        #expect(restored == [true, false, false, false])
        #expect(try pool.allocate().description == "192.168.1.10")
    }

    @Test func theNodesOwnAddressesAreNeverReleased() throws {
        var pool = try pool()
        pool.release(pool.router)
        pool.release(pool.health)
        #expect(pool.inUse == 2)
    }

    @Test(arguments: ["192.168.1.0/30", "192.168.1.0/32", "10.0.0.0/7"])
    func aPoolOfAnotherSizeIsRefused(_ text: String) throws {
        #expect(throws: DatapathError.self) { try pool(text) }
    }
}
