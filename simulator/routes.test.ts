import { expect, test } from 'bun:test'

import { seededRandom } from '../actors/kernel/clock.ts'
import { buildCity } from '../actors/model/city.ts'
import { legFrom, planLeg } from './leg.ts'
import { StreetGraph } from './routes.ts'
import { Drive, VEHICLE_KINDS } from './vehicle.ts'

const graph = new StreetGraph(buildCity())
const [van] = VEHICLE_KINDS
const hub = graph.hubs[3]
if (!van || !hub) throw new Error('the city has no hubs')

function doors(count: number): number[] {
  const random = seededRandom(5)
  return Array.from({ length: count }, () => Math.floor(random() * graph.nodeCount))
}

test('every door can be reached from a hub, over roads that exist', () => {
  for (const door of doors(300)) {
    const { nodes } = graph.outbound(hub, door)
    expect(nodes[0]).toBe(hub.node)
    expect(nodes.at(-1)).toBe(door)
    nodes.slice(1).forEach((node, index) => {
      expect(graph.road(nodes[index] ?? -1, node)).toBeDefined()
    })
  }
})

test('the way back is the way out, turned round', () => {
  for (const door of doors(20))
    expect(graph.inbound(door, hub).nodes).toEqual(graph.outbound(hub, door).nodes.toReversed())
})

test('no way is faster than the one taken', () => {
  const seconds = (nodes: readonly number[]): number =>
    nodes.slice(1).reduce((sum, node, index) => {
      const road = graph.road(nodes[index] ?? -1, node)
      return sum + (road ? road.lengthM / (road.limitKmh / 3.6) : 0)
    }, 0)
  for (const door of doors(100)) {
    const direct = seconds(graph.outbound(hub, door).nodes)
    for (const road of graph.roadsFrom(door)) {
      const over =
        seconds(graph.outbound(hub, road.to).nodes) + road.lengthM / (road.limitKmh / 3.6)
      expect(direct).toBeLessThanOrEqual(over + 1e-6)
    }
  }
})

test('a leg is braked for: no node asks for a speed that cannot be reached', () => {
  const leg = planLeg(graph, graph.outbound(hub, doors(1)[0] ?? 0), van, seededRandom(1))
  leg.passMs.slice(0, -1).forEach((passMs, index) => {
    const next = leg.passMs[index + 1] ?? 0
    const reachable = Math.sqrt(next * next + 2 * van.brakingMs2 * (leg.lengthM[index] ?? 0))
    expect(passMs).toBeLessThanOrEqual(reachable + 1e-3)
  })
  expect(leg.passMs.at(-1)).toBe(0)
})

test('a drive ends at its last node, whatever the step, and waits at the door', () => {
  for (const stepS of [0.1, 1, 7, 60]) {
    for (const door of doors(10)) {
      const leg = planLeg(graph, graph.outbound(hub, door), van, seededRandom(door))
      const drive = new Drive(legFrom(leg, Math.floor(leg.lat.length / 3)), van, true)
      let tookS = 0
      for (; !drive.finished && tookS < 7_200; tookS += stepS) drive.advance(stepS)
      expect(drive.finished).toBe(true)
      expect([drive.lat, drive.lng]).toEqual([leg.lat.at(-1) ?? 0, leg.lng.at(-1) ?? 0])
      expect(tookS).toBeGreaterThanOrEqual(15 - stepS)
    }
  }
})
