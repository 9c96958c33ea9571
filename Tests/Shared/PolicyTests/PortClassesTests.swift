import Hashing
import Testing

@testable import Policy

@Suite struct PortClassesTests {
    private func range(_ transport: PortProtocol, _ low: UInt16, _ high: UInt16) -> PortRange {
        PortRange(transport, low...high)
    }

    @Test func portsThatRulesTreatAlikeShareAClass() throws {
        let all = range(.tcp, 0, .max)
        let web = range(.tcp, 80, 80)
        let high = range(.tcp, 8000, 9000)
        let middle = range(.tcp, 8500, 8600)
        let classes = try #require(PortClasses().changed(to: [all, web, high, middle, range(.udp, 53, 53)]))
        #expect(classes.ports.count == 5)
        #expect(classes.number(of: 79, .tcp) == classes.number(of: 81, .tcp))
        #expect(classes.number(of: 8000, .tcp) == classes.number(of: 9000, .tcp))
        #expect(classes.number(of: 8499, .tcp) != classes.number(of: 8500, .tcp))
        #expect(classes.number(of: 0, .tcp) == classes.number(of: 65535, .tcp))
        #expect(classes.number(of: 53, .udp) != 0)
        #expect(classes.number(of: 54, .udp) == 0)
        #expect(classes.classes(in: all).count == 4)
        #expect(classes.classes(in: high).count == 2)
        #expect(classes.classes(in: middle) == [classes.number(of: 8550, .tcp)])
    }

    @Test func numbersStayAndAreNotReusedAtOnce() throws {
        let web = range(.tcp, 80, 80)
        let first = try #require(PortClasses().changed(to: [web, range(.tcp, 100, 200)]))
        let second = try #require(first.changed(to: [web, range(.tcp, 150, 200)]))
        #expect(second.number(of: 80, .tcp) == first.number(of: 80, .tcp))
        let fresh = second.number(of: 150, .tcp)
        #expect(first.ports[fresh] == nil)
        #expect(second.number(of: 100, .tcp) == 0)
        // The number that was given up in the step before may be used again now.
        let third = try #require(second.changed(to: [web, range(.tcp, 1, 2), range(.tcp, 150, 200)]))
        #expect(third.number(of: 1, .tcp) == first.number(of: 150, .tcp))
        #expect(PortClasses(ports: third.ports) == third)
    }

    /// Compares with the definition: two ports share a class exactly if the same ranges contain them.
    @Test func agreesWithTheDefinition() throws {
        var random = SplitMix64(seed: 7)
        var classes = PortClasses()
        for _ in 0..<40 {
            var ranges: Set<PortRange> = []
            for _ in 0..<Int.random(in: 0...12, using: &random) {
                let low = UInt16.random(in: 0...60, using: &random)
                ranges.insert(range(.tcp, low, low + UInt16.random(in: 0...20, using: &random)))
            }
            classes = try #require(classes.changed(to: ranges))
            for one in UInt16(0)...90 {
                let covering = ranges.filter { $0.ports.contains(one) }
                let number = classes.number(of: one, .tcp)
                #expect((number == 0) == covering.isEmpty)
                for other in UInt16(0)...90 where other != one {
                    let same = classes.number(of: other, .tcp) == number
                    #expect(same == (covering == ranges.filter { $0.ports.contains(other) }))
                }
                for range in covering { #expect(classes.classes(in: range).contains(number)) }
            }
        }
    }
}
