import NodeProtocol
import Testing

@testable import Prober

@Suite struct ProbeCellTests {
    private func outcome(_ code: ProbeProtocolCode, sent: UInt16, answered: UInt16, of count: Int) -> ProbeOutcome {
        var cell = ProbeCell(source: 0, target: 0, code: code)
        cell.sent = sent
        cell.answered = answered
        return cell.finalOutcome(count: count)
    }

    @Test(arguments: [ProbeProtocolCode.udp, .icmp])
    func `a train that was cut short measured nothing`(_ code: ProbeProtocolCode) {
        #expect(outcome(code, sent: 5, answered: 5, of: 20) == .notMeasured(error: 0))
        #expect(outcome(code, sent: 19, answered: 0, of: 20) == .notMeasured(error: 0))
        #expect(outcome(code, sent: 20, answered: 20, of: 20) == .open)
        #expect(outcome(code, sent: 20, answered: 5, of: 20) == .loss(percent: 75))
        #expect(outcome(code, sent: 20, answered: 0, of: 20) == .timeout(error: 0))
        #expect(outcome(code, sent: 0, answered: 0, of: 1) == .notMeasured(error: 0))
        #expect(outcome(code, sent: 3, answered: 1, of: 1) == .open)
        #expect(outcome(code, sent: 3, answered: 0, of: 1) == .timeout(error: 0))
    }

    @Test func `a connection is one packet of any plan`() {
        #expect(outcome(.tcp, sent: 1, answered: 1, of: 20) == .open)
        #expect(outcome(.tcp, sent: 1, answered: 0, of: 20) == .timeout(error: 0))
        #expect(outcome(.tcp, sent: 0, answered: 0, of: 20) == .notMeasured(error: 0))
    }

    @Test func `echo numbers start over and stand for their last cell`() {
        var echoes = EchoSequences()
        #expect(echoes.cell(of: 0) == nil)
        for cell in 0..<65_536 { #expect(Int(echoes.take(cell)) == cell) }
        #expect(echoes.cell(of: .max) == 65_535)
        #expect(echoes.take(70_000) == 0)
        #expect(echoes.take(70_001) == 1)
        #expect([echoes.cell(of: 0), echoes.cell(of: 1), echoes.cell(of: 2)] == [70_000, 70_001, 2])
    }
}

@Suite struct StreamFlowTests {
    @Test func `a flow is established by an answer, a connection by its handshake`() {
        var datagrams = StreamFlow(source: 0, target: 0, code: .udp)
        #expect(!datagrams.isEstablished)
        #expect(datagrams.silentMillis(now: 2_500_000) == 2500)
        datagrams.noteAnswer(1_000_000)
        #expect(datagrams.isEstablished)
        #expect(datagrams.silentMillis(now: 2_500_000) == 1500)
        datagrams.ended = "closed"
        #expect(!datagrams.isEstablished)
        #expect(datagrams.silentMillis(now: 2_500_000) == 1500)
        var connection = StreamFlow(source: 0, target: 0, code: .tcp)
        connection.established = true
        #expect(connection.isEstablished)
    }

    @Test func `the gap of a flow lasts until it is read, whether or not the flow has ended`() {
        var flow = StreamFlow(source: 0, target: 0, code: .udp)
        flow.sent = 1
        flow.lastAnswer = 100_000
        flow.noteAnswer(500_000)
        #expect(flow.gapMillis(now: 600_000, interval: 20_000) == 380)
        #expect(flow.gapMillis(now: 2_500_000, interval: 20_000) == 1980)
        flow.ended = "reset"
        #expect(flow.gapMillis(now: 2_500_000, interval: 20_000) == 1980)
        // A connection that was never made never sent anything.
        let connecting = StreamFlow(source: 0, target: 0, code: .tcp)
        #expect(connecting.gapMillis(now: 2_500_000, interval: 20_000) == 2480)
    }
}
