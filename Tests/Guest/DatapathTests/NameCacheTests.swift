import NetAddress
import Policy
import Testing

@testable import Datapath

@Suite struct NameCacheTests {
    private func entries(
        _ name: String, _ addresses: [UInt32], expires: Int = 100
    ) -> [IPv4Address: NameCache.Entry] {
        Dictionary(
            uniqueKeysWithValues: addresses.map {
                let address = IPv4Address(rawValue: $0)
                return (
                    address,
                    NameCache.Entry(
                        name: name, address: address.description, timeToLive: 60, expires: expires, endpointID: 7)
                )
            })
    }

    private func pattern(_ text: String) throws -> NamePattern { try NamePattern(text, isPattern: true) }

    @Test func `an answer holds when policies do`() throws {
        var cache = NameCache()
        let done1 = cache.refresh("a.b", entries("a.b", [1]))
        #expect(!done1)
        cache.learn("a.b", entries("a.b", [1]))
        // Another answer must wait for the policies, too.
        let done2 = cache.refresh("a.b", entries("a.b", [1]))
        #expect(!done2)
        cache.hold("a.b")
        let done3 = cache.refresh("a.b", entries("a.b", [1], expires: 200))
        #expect(done3)
        #expect(cache.entries.map(\.expires) == [200])
        let done4 = cache.refresh("a.b", entries("a.b", [1, 2]))
        #expect(!done4)
    }

    @Test func `names of addresses, addresses of patterns`() throws {
        var cache = NameCache()
        cache.learn("a.b", entries("a.b", [1, 2]))
        cache.learn("c.b", entries("c.b", [2]))
        cache.learn("c.d", entries("c.d", [3]))
        let found = try cache.addresses(of: [pattern("*.b")])
        #expect(found == [IPv4Address(rawValue: 1): ["a.b"], IPv4Address(rawValue: 2): ["a.b", "c.b"]])
        #expect(cache.addresses(of: []).isEmpty)
        #expect(cache.names(of: IPv4Address(rawValue: 2)) == ["a.b", "c.b"])
        #expect(
            cache.entries.map { "\($0.name) \($0.address)" } == [
                "a.b 0.0.0.1", "a.b 0.0.0.2", "c.b 0.0.0.2", "c.d 0.0.0.3",
            ])
    }

    @Test func `time runs out, but not under a connection`() {
        var cache = NameCache()
        cache.learn("a.b", entries("a.b", [1, 2], expires: 100))
        let done5 = cache.expire(now: 100, inUse: [])
        #expect(!done5)
        let done6 = cache.expire(now: 101, inUse: [IPv4Address(rawValue: 2)])
        #expect(done6)
        #expect(cache.entries.map(\.address) == ["0.0.0.2"])
        // An earlier answer that lasts longer keeps its time.
        cache.learn("a.b", entries("a.b", [2], expires: 90))
        #expect(cache.entries.map(\.expires) == [100])
        let done7 = cache.expire(now: 101, inUse: [])
        #expect(done7)
        #expect(cache.entries.isEmpty && cache.count == 0)
    }

    @Test func bounds() {
        var cache = NameCache()
        for address in 0..<UInt32(NameCache.addressLimit + 5) {
            cache.learn("a.b", entries("a.b", [address], expires: 1000 + Int(address)))
        }
        #expect(cache.count == NameCache.addressLimit)
        #expect(cache.names(of: IPv4Address(rawValue: 4)).isEmpty && !cache.names(of: IPv4Address(rawValue: 5)).isEmpty)
        for number in 0..<NameCache.limit + 3 {
            cache.learn("n\(number).b", entries("n\(number).b", [9], expires: 2000 + number))
        }
        #expect(cache.count == NameCache.limit)
        #expect(cache.names(of: IPv4Address(rawValue: 5)).isEmpty)
    }

    @Test func `written down and read again`() {
        var cache = NameCache()
        cache.learn("a.b", entries("a.b", [1, 2]))
        let again = NameCache(cache.entries)
        #expect(again.entries == cache.entries && again.count == 2)
    }
}
