/** Ways and shapes of a stylised Athens, written by hand from memory: `lat,lng` pairs, coarse on purpose. */

/** How much a way carries; drawn wider and driven faster the further left. */
export type RoadClass = 'motorway' | 'primary' | 'secondary' | 'street'

type Way = Readonly<{ name: string; class: RoadClass; path: string }>

/** Motorways and avenues. Where two should meet, they cross or share a point. */
export const WAYS: readonly Way[] = [
  {
    name: 'Kifisou Ave',
    class: 'motorway',
    path: '38.1080,23.7990 38.0850,23.7860 38.0640,23.7730 38.0480,23.7530 38.0300,23.7350 38.0130,23.7160 37.9990,23.7020 37.9890,23.6950 37.9760,23.6900 37.9620,23.6800 37.9520,23.6730 37.9470,23.6680',
  },
  {
    name: 'Attiki Odos',
    class: 'motorway',
    path: '38.0660,23.5900 38.0690,23.6300 38.0690,23.6600 38.0670,23.7000 38.0650,23.7400 38.0620,23.7720 38.0480,23.7950 38.0300,23.8150 38.0150,23.8300 38.0050,23.8600',
  },
  {
    name: 'Hymettus Ring',
    class: 'motorway',
    path: '38.0300,23.8150 38.0150,23.8060 38.0020,23.7950 37.9880,23.7880 37.9760,23.7810',
  },
  {
    name: 'Kifisias Ave',
    class: 'primary',
    path: '37.9880,23.7580 37.9930,23.7640 38.0020,23.7720 38.0130,23.7830 38.0260,23.7930 38.0400,23.8000 38.0540,23.8060 38.0730,23.8120 38.0980,23.8230',
  },
  {
    name: 'Vasilissis Sofias Ave',
    class: 'primary',
    path: '37.9757,23.7360 37.9762,23.7440 37.9790,23.7510 37.9840,23.7565 37.9880,23.7580',
  },
  {
    name: 'Mesogeion Ave',
    class: 'primary',
    path: '37.9840,23.7565 37.9885,23.7680 37.9950,23.7780 38.0020,23.7880 38.0070,23.8000 38.0110,23.8200 38.0150,23.8300',
  },
  {
    name: 'Alexandras Ave',
    class: 'primary',
    path: '37.9920,23.7320 37.9905,23.7430 37.9885,23.7530 37.9880,23.7580',
  },
  {
    name: 'Patision',
    class: 'primary',
    path: '37.9842,23.7281 37.9880,23.7308 37.9920,23.7320 38.0000,23.7345 38.0090,23.7360 38.0170,23.7370 38.0290,23.7400 38.0400,23.7420 38.0650,23.7400',
  },
  {
    name: 'Acharnon',
    class: 'primary',
    path: '37.9865,23.7250 38.0000,23.7270 38.0120,23.7270 38.0250,23.7290 38.0480,23.7310 38.0850,23.7380',
  },
  {
    name: 'Liosion',
    class: 'secondary',
    path: '37.9865,23.7250 38.0000,23.7180 38.0130,23.7110 38.0280,23.7050 38.0450,23.7000 38.0670,23.7000 38.0850,23.7050',
  },
  {
    name: 'Athinon Ave',
    class: 'primary',
    path: '37.9850,23.7190 37.9900,23.7030 37.9960,23.6850 38.0020,23.6650 38.0090,23.6500 38.0130,23.6360 38.0120,23.6150 38.0200,23.5900',
  },
  {
    name: 'Agiou Konstantinou',
    class: 'primary',
    path: '37.9842,23.7281 37.9865,23.7250 37.9850,23.7190',
  },
  {
    name: 'Iera Odos',
    class: 'primary',
    path: '37.9780,23.7180 37.9830,23.7050 37.9880,23.6890 37.9950,23.6740 38.0020,23.6650',
  },
  {
    name: 'Pireos',
    class: 'primary',
    path: '37.9842,23.7281 37.9780,23.7180 37.9690,23.7040 37.9590,23.6850 37.9530,23.6680 37.9490,23.6470',
  },
  {
    name: 'Petrou Ralli',
    class: 'secondary',
    path: '37.9730,23.7100 37.9690,23.6920 37.9660,23.6750 37.9640,23.6560 37.9640,23.6350 37.9610,23.6180',
  },
  {
    name: 'Syngrou Ave',
    class: 'primary',
    path: '37.9690,23.7315 37.9600,23.7220 37.9520,23.7110 37.9450,23.6980 37.9405,23.6890',
  },
  {
    name: 'Poseidonos Ave',
    class: 'primary',
    path: '37.9455,23.6600 37.9470,23.6680 37.9440,23.6780 37.9405,23.6890 37.9310,23.6900 37.9220,23.6990 37.9130,23.7100 37.8980,23.7250 37.8760,23.7420',
  },
  {
    name: 'Vouliagmenis Ave',
    class: 'primary',
    path: '37.9690,23.7315 37.9600,23.7340 37.9490,23.7380 37.9370,23.7420 37.9250,23.7440 37.9100,23.7450 37.8900,23.7480 37.8760,23.7420',
  },
  {
    name: 'Panepistimiou',
    class: 'primary',
    path: '37.9757,23.7360 37.9800,23.7322 37.9842,23.7281',
  },
  { name: 'Stadiou', class: 'secondary', path: '37.9757,23.7335 37.9795,23.7300 37.9842,23.7281' },
  {
    name: 'Akadimias',
    class: 'secondary',
    path: '37.9762,23.7395 37.9810,23.7352 37.9858,23.7295',
  },
  {
    name: 'Ermou',
    class: 'secondary',
    path: '37.9757,23.7360 37.9757,23.7335 37.9765,23.7240 37.9780,23.7180',
  },
  { name: 'Athinas', class: 'secondary', path: '37.9764,23.7255 37.9842,23.7281' },
  {
    name: 'Vasilissis Amalias Ave',
    class: 'primary',
    path: '37.9757,23.7360 37.9725,23.7340 37.9690,23.7315',
  },
  {
    name: 'Vasileos Konstantinou Ave',
    class: 'primary',
    path: '37.9690,23.7315 37.9690,23.7385 37.9725,23.7435 37.9790,23.7510',
  },
  {
    name: 'Dionysiou Areopagitou',
    class: 'street',
    path: '37.9690,23.7315 37.9693,23.7250 37.9715,23.7205 37.9780,23.7180',
  },
  {
    name: 'Thiseos Ave',
    class: 'secondary',
    path: '37.9650,23.7180 37.9600,23.7090 37.9550,23.7030 37.9470,23.6950 37.9440,23.6780',
  },
  {
    name: 'Kallirrois',
    class: 'secondary',
    path: '37.9690,23.7315 37.9650,23.7180 37.9590,23.6850',
  },
  {
    name: 'Thivon Ave',
    class: 'secondary',
    path: '37.9490,23.6470 37.9640,23.6590 37.9800,23.6720 37.9960,23.6850 38.0120,23.6870 38.0300,23.6920 38.0450,23.7000',
  },
  {
    name: 'Katechaki Ave',
    class: 'primary',
    path: '38.0020,23.7720 37.9950,23.7780 37.9850,23.7815 37.9760,23.7810 37.9680,23.7660 37.9640,23.7500 37.9600,23.7340',
  },
  {
    name: 'Galatsiou Ave',
    class: 'secondary',
    path: '38.0090,23.7360 38.0150,23.7480 38.0200,23.7620 38.0130,23.7830',
  },
  {
    name: 'Ymittou Ave',
    class: 'secondary',
    path: '37.9725,23.7435 37.9680,23.7520 37.9590,23.7590 37.9460,23.7620 37.9370,23.7420',
  },
  {
    name: 'Irakleiou Ave',
    class: 'secondary',
    path: '38.0170,23.7370 38.0350,23.7600 38.0480,23.7700 38.0620,23.7720',
  },
  {
    name: 'Kimis Ave',
    class: 'secondary',
    path: '38.0480,23.7530 38.0480,23.7700 38.0440,23.7850 38.0400,23.8000 38.0420,23.8200',
  },
  {
    name: 'Pentelis Ave',
    class: 'secondary',
    path: '38.0130,23.7830 38.0230,23.8030 38.0300,23.8150 38.0420,23.8200 38.0560,23.8330',
  },
  {
    name: 'Tatoiou Ave',
    class: 'secondary',
    path: '38.0640,23.7730 38.0800,23.7960 38.0980,23.8230',
  },
  {
    name: 'Fylis Ave',
    class: 'secondary',
    path: '38.0130,23.7110 38.0300,23.6920 38.0480,23.6800 38.0690,23.6600',
  },
  {
    name: 'Chaidariou Ave',
    class: 'secondary',
    path: '38.0020,23.6650 38.0150,23.6700 38.0280,23.6760 38.0480,23.6800',
  },
  {
    name: 'Grigoriou Lambraki',
    class: 'secondary',
    path: '37.9800,23.6720 37.9750,23.6550 37.9640,23.6350 37.9520,23.6350 37.9490,23.6470',
  },
  {
    name: 'Akti Miaouli',
    class: 'secondary',
    path: '37.9490,23.6470 37.9425,23.6420 37.9370,23.6345 37.9320,23.6370 37.9370,23.6440 37.9400,23.6480 37.9380,23.6560 37.9400,23.6620 37.9455,23.6600',
  },
  {
    name: 'Iroon Polytechneiou',
    class: 'primary',
    path: '37.9370,23.6345 37.9415,23.6470 37.9455,23.6600',
  },
  {
    name: 'Amfitheas Ave',
    class: 'secondary',
    path: '37.9310,23.6900 37.9340,23.7100 37.9345,23.7260 37.9370,23.7420',
  },
  {
    name: 'Alimou Ave',
    class: 'secondary',
    path: '37.9130,23.7100 37.9150,23.7250 37.9180,23.7445 37.9230,23.7640',
  },
  {
    name: 'Eleftheriou Venizelou',
    class: 'secondary',
    path: '37.9520,23.7110 37.9430,23.7170 37.9345,23.7260 37.9180,23.7445',
  },
  {
    name: 'Konstantinoupoleos Ave',
    class: 'secondary',
    path: '37.9780,23.7180 37.9850,23.7190 38.0000,23.7180',
  },
  {
    name: 'Dimokratias Ave',
    class: 'secondary',
    path: '37.9990,23.7020 38.0120,23.6870 38.0150,23.6700',
  },
  { name: 'Tsaldari', class: 'secondary', path: '37.9960,23.6850 38.0050,23.6950 38.0130,23.7110' },
]

/** The Saronic gulf's shore from Perama past Piraeus and Faliro to Voula; land lies north and east of it. */
export const COAST =
  '37.9630,23.5300 37.9640,23.5700 37.9590,23.5900 37.9570,23.6080 37.9500,23.6130 37.9470,23.6200 37.9420,23.6200 37.9400,23.6245 37.9440,23.6290 37.9475,23.6350 37.9470,23.6405 37.9435,23.6395 37.9400,23.6345 37.9385,23.6270 37.9340,23.6280 37.9300,23.6340 37.9303,23.6400 37.9340,23.6440 37.9385,23.6485 37.9362,23.6510 37.9352,23.6560 37.9372,23.6605 37.9390,23.6640 37.9430,23.6640 37.9450,23.6690 37.9420,23.6780 37.9385,23.6860 37.9340,23.6845 37.9290,23.6855 37.9240,23.6930 37.9180,23.6985 37.9115,23.7060 37.9040,23.7130 37.8940,23.7210 37.8860,23.7250 37.8740,23.7370 37.8620,23.7470 37.8480,23.7600'

type Area = Readonly<{ name: string; kind: 'park' | 'hill' | 'mountain'; ring: string }>

/** Green places: parks in the city, rocky hills, and the mountains that close the basin. */
export const AREAS: readonly Area[] = [
  {
    name: 'Lycabettus',
    kind: 'hill',
    ring: '37.9846,23.7398 37.9852,23.7440 37.9830,23.7478 37.9800,23.7462 37.9790,23.7425 37.9806,23.7400 37.9828,23.7392',
  },
  {
    name: 'Acropolis',
    kind: 'hill',
    ring: '37.9727,23.7228 37.9733,23.7262 37.9722,23.7292 37.9702,23.7290 37.9700,23.7250 37.9708,23.7230',
  },
  {
    name: 'Philopappou',
    kind: 'hill',
    ring: '37.9738,23.7172 37.9708,23.7192 37.9688,23.7238 37.9655,23.7240 37.9632,23.7208 37.9660,23.7172 37.9705,23.7152',
  },
  {
    name: 'National Garden',
    kind: 'park',
    ring: '37.9752,23.7366 37.9755,23.7412 37.9730,23.7420 37.9697,23.7380 37.9698,23.7335 37.9722,23.7345',
  },
  {
    name: 'Pedion tou Areos',
    kind: 'park',
    ring: '37.9917,23.7335 37.9968,23.7358 37.9955,23.7400 37.9905,23.7410',
  },
  {
    name: 'Strefi Hill',
    kind: 'hill',
    ring: '37.9885,23.7365 37.9882,23.7392 37.9864,23.7388 37.9866,23.7364',
  },
  {
    name: 'Tourkovounia',
    kind: 'hill',
    ring: '37.9975,23.7545 38.0020,23.7520 38.0090,23.7545 38.0150,23.7580 38.0150,23.7640 38.0080,23.7650 38.0010,23.7610',
  },
  {
    name: 'Veikou Park',
    kind: 'park',
    ring: '38.0230,23.7450 38.0275,23.7480 38.0285,23.7550 38.0240,23.7570 38.0210,23.7510',
  },
  {
    name: 'Goudi Park',
    kind: 'park',
    ring: '37.9880,23.7700 37.9905,23.7755 37.9860,23.7800 37.9810,23.7785 37.9800,23.7735 37.9830,23.7695',
  },
  {
    name: 'Plato’s Academy',
    kind: 'park',
    ring: '37.9935,23.7060 37.9945,23.7095 37.9912,23.7105 37.9905,23.7070',
  },
  {
    name: 'Tritsis Park',
    kind: 'park',
    ring: '38.0320,23.7150 38.0400,23.7130 38.0440,23.7180 38.0410,23.7235 38.0330,23.7215',
  },
  {
    name: 'Niarchos Park',
    kind: 'park',
    ring: '37.9390,23.6905 37.9425,23.6912 37.9420,23.6945 37.9383,23.6940',
  },
  {
    name: 'Nea Smyrni Grove',
    kind: 'park',
    ring: '37.9455,23.7120 37.9452,23.7155 37.9428,23.7150 37.9430,23.7118',
  },
  {
    name: 'Olympic Park',
    kind: 'park',
    ring: '38.0345,23.7790 38.0405,23.7800 38.0410,23.7880 38.0365,23.7905 38.0340,23.7860',
  },
  {
    name: 'Syngrou Estate',
    kind: 'park',
    ring: '38.0590,23.8080 38.0660,23.8110 38.0680,23.8190 38.0620,23.8230 38.0570,23.8160',
  },
  {
    name: 'Kastella',
    kind: 'hill',
    ring: '37.9398,23.6545 37.9412,23.6578 37.9392,23.6592 37.9383,23.6575',
  },
  {
    name: 'Botanical Garden',
    kind: 'park',
    ring: '37.9835,23.7060 37.9875,23.7070 37.9862,23.7120 37.9822,23.7105',
  },
  {
    name: 'Ellinikon Park',
    kind: 'park',
    ring: '37.9050,23.7240 37.9060,23.7390 37.8960,23.7420 37.8870,23.7400 37.8870,23.7340 37.8960,23.7290',
  },
  {
    name: 'Mount Hymettus',
    kind: 'mountain',
    ring: '38.0060,23.8180 37.9960,23.8060 37.9850,23.7980 37.9740,23.7900 37.9650,23.7780 37.9550,23.7750 37.9400,23.7740 37.9250,23.7690 37.9080,23.7680 37.8900,23.7720 37.8700,23.7780 37.8400,23.8000 37.8400,23.8600 37.9000,23.8450 37.9500,23.8500 37.9900,23.8450',
  },
  {
    name: 'Mount Egaleo',
    kind: 'mountain',
    ring: '38.0100,23.6420 38.0020,23.6510 37.9930,23.6480 37.9850,23.6400 37.9750,23.6250 37.9720,23.6050 37.9720,23.5700 37.9900,23.5600 38.0080,23.5900 38.0080,23.6180',
  },
  {
    name: 'Poikilo Oros',
    kind: 'mountain',
    ring: '38.0170,23.6420 38.0200,23.6580 38.0330,23.6660 38.0460,23.6700 38.0580,23.6600 38.0630,23.6350 38.0560,23.6050 38.0350,23.5980 38.0180,23.6120',
  },
  {
    name: 'Mount Parnitha',
    kind: 'mountain',
    ring: '38.0830,23.6200 38.0880,23.6700 38.1000,23.6950 38.0980,23.7200 38.1100,23.7450 38.1300,23.7700 38.2000,23.7700 38.2000,23.5600 38.1000,23.5600',
  },
  {
    name: 'Mount Penteli',
    kind: 'mountain',
    ring: '38.0440,23.8480 38.0580,23.8420 38.0720,23.8380 38.0900,23.8450 38.1150,23.8400 38.1300,23.9000 38.0600,23.9300 38.0400,23.8900',
  },
]

/** Quarters: `lat,lng`, the angle of their streets in degrees, and the two distances between them in metres. */
export const QUARTERS =
  '37.9810,23.7290,45,95,150 37.9770,23.7290,8,95,140 37.9880,23.7270,12,110,170 37.9830,23.7370,40,100,150 37.9780,23.7470,62,110,170 37.9730,23.7210,-25,110,170 37.9660,23.7270,35,110,170 37.9680,23.7440,-12,110,180 37.9620,23.7480,20,120,190 37.9900,23.7360,30,105,160 37.9860,23.7500,-18,110,180 37.9950,23.7280,5,110,190 37.9970,23.7440,-30,120,190 38.0060,23.7300,2,120,200 38.0060,23.7440,24,130,210 37.9910,23.7160,-14,120,200 37.9830,23.7110,24,150,230 37.9720,23.7060,-34,150,230 37.9600,23.7150,38,115,180 37.9550,23.7010,44,115,180 37.9480,23.7030,36,115,180 37.9460,23.7170,20,120,190 37.9560,23.7290,-10,120,190 37.9520,23.7480,12,130,210 37.9440,23.7310,-4,130,200 37.9400,23.7540,30,140,230 37.9330,23.7000,48,125,200 37.9280,23.7180,14,135,210 37.9270,23.7360,-20,140,220 37.9180,23.7190,42,140,230 37.9120,23.7330,28,150,240 37.9160,23.7580,8,150,240 37.9000,23.7530,18,170,270 37.8820,23.7540,32,170,280 37.9650,23.6900,16,160,250 37.9550,23.6750,-28,140,220 37.9580,23.6500,18,130,210 37.9430,23.6500,32,105,165 37.9360,23.6390,-42,105,160 37.9470,23.6570,24,110,170 37.9560,23.6280,-8,135,220 37.9690,23.6440,30,130,210 37.9700,23.6650,10,130,210 37.9780,23.6830,-16,150,240 37.9870,23.6780,22,130,210 37.9870,23.6600,6,130,220 37.9960,23.6950,-26,140,230 38.0060,23.6780,14,130,210 38.0120,23.6570,34,150,240 38.0160,23.7000,28,125,200 38.0070,23.7080,-12,130,200 38.0240,23.6860,8,140,230 38.0300,23.7050,-22,140,230 38.0200,23.7210,16,130,210 38.0330,23.7290,4,140,230 38.0470,23.7180,-10,150,250 38.0480,23.6920,18,150,250 38.0580,23.6810,38,170,280 38.0570,23.7200,8,170,280 38.0760,23.6950,24,200,320 38.0780,23.7250,-6,190,310 38.0280,23.7510,26,135,220 38.0380,23.7470,44,150,240 38.0430,23.7640,10,150,240 38.0300,23.7720,-24,145,230 38.0130,23.7710,20,140,220 38.0060,23.7830,46,140,220 37.9950,23.7700,-38,130,200 37.9840,23.7640,10,125,200 37.9740,23.7600,26,125,200 37.9740,23.7740,-14,140,220 38.0160,23.7960,14,150,240 38.0230,23.8200,-30,180,290 38.0100,23.8290,12,190,300 38.0380,23.8090,22,170,270 38.0520,23.7850,-8,165,270 38.0520,23.8190,36,175,280 38.0650,23.7920,18,175,290 38.0560,23.7580,30,170,270 38.0720,23.7580,0,190,310 38.0760,23.8060,28,180,300 38.0820,23.8270,-16,190,310 38.0900,23.7700,12,210,340 38.0930,23.8020,42,200,330'

type Label = Readonly<{ text: string; kind: 'city' | 'town' | 'quarter' | 'water'; at: string }>

/** Names on the map, from the one seen first to those seen last. */
export const LABELS: readonly Label[] = [
  { text: 'Athens', kind: 'city', at: '37.9795,23.7310' },
  { text: 'Piraeus', kind: 'town', at: '37.9445,23.6510' },
  { text: 'Saronic Gulf', kind: 'water', at: '37.9130,23.6500' },
  { text: 'Faliro Bay', kind: 'water', at: '37.9320,23.6700' },
  { text: 'Marousi', kind: 'town', at: '38.0540,23.8000' },
  { text: 'Kifissia', kind: 'town', at: '38.0780,23.8150' },
  { text: 'Peristeri', kind: 'town', at: '38.0150,23.6950' },
  { text: 'Kallithea', kind: 'town', at: '37.9535,23.7010' },
  { text: 'Glyfada', kind: 'town', at: '37.8800,23.7530' },
  { text: 'Nikaia', kind: 'town', at: '37.9690,23.6440' },
  { text: 'Chalandri', kind: 'town', at: '38.0210,23.7970' },
  { text: 'Acharnes', kind: 'town', at: '38.0780,23.7330' },
  { text: 'Ilion', kind: 'town', at: '38.0330,23.7020' },
  { text: 'Egaleo', kind: 'town', at: '37.9900,23.6790' },
  { text: 'Zografou', kind: 'town', at: '37.9750,23.7690' },
  { text: 'Galatsi', kind: 'town', at: '38.0160,23.7530' },
  { text: 'Nea Ionia', kind: 'town', at: '38.0400,23.7570' },
  { text: 'Palaio Faliro', kind: 'town', at: '37.9290,23.7010' },
  { text: 'Nea Smyrni', kind: 'town', at: '37.9460,23.7180' },
  { text: 'Alimos', kind: 'town', at: '37.9140,23.7200' },
  { text: 'Keratsini', kind: 'town', at: '37.9610,23.6250' },
  { text: 'Chaidari', kind: 'town', at: '38.0110,23.6590' },
  { text: 'Vyronas', kind: 'town', at: '37.9590,23.7530' },
  { text: 'Argyroupoli', kind: 'town', at: '37.9060,23.7530' },
  { text: 'Dafni', kind: 'town', at: '37.9500,23.7350' },
  { text: 'Metamorfosi', kind: 'town', at: '38.0600,23.7580' },
  { text: 'Agia Paraskevi', kind: 'town', at: '38.0110,23.8220' },
  { text: 'Vrilissia', kind: 'town', at: '38.0380,23.8300' },
  { text: 'Kamatero', kind: 'town', at: '38.0580,23.7130' },
  { text: 'Syntagma', kind: 'quarter', at: '37.9755,23.7345' },
  { text: 'Omonia', kind: 'quarter', at: '37.9842,23.7281' },
  { text: 'Monastiraki', kind: 'quarter', at: '37.9768,23.7262' },
  { text: 'Plaka', kind: 'quarter', at: '37.9722,23.7312' },
  { text: 'Kolonaki', kind: 'quarter', at: '37.9790,23.7425' },
  { text: 'Exarchia', kind: 'quarter', at: '37.9868,23.7345' },
  { text: 'Psyrri', kind: 'quarter', at: '37.9790,23.7235' },
  { text: 'Gazi', kind: 'quarter', at: '37.9785,23.7135' },
  { text: 'Koukaki', kind: 'quarter', at: '37.9640,23.7250' },
  { text: 'Pangrati', kind: 'quarter', at: '37.9680,23.7480' },
  { text: 'Neos Kosmos', kind: 'quarter', at: '37.9575,23.7285' },
  { text: 'Kypseli', kind: 'quarter', at: '37.9990,23.7400' },
  { text: 'Ampelokipoi', kind: 'quarter', at: '37.9885,23.7570' },
  { text: 'Patisia', kind: 'quarter', at: '38.0110,23.7330' },
  { text: 'Sepolia', kind: 'quarter', at: '38.0040,23.7130' },
  { text: 'Kolonos', kind: 'quarter', at: '37.9960,23.7160' },
  { text: 'Petralona', kind: 'quarter', at: '37.9680,23.7110' },
  { text: 'Tavros', kind: 'quarter', at: '37.9660,23.6960' },
  { text: 'Votanikos', kind: 'quarter', at: '37.9835,23.7000' },
  { text: 'Rentis', kind: 'quarter', at: '37.9610,23.6700' },
  { text: 'Neo Faliro', kind: 'quarter', at: '37.9480,23.6650' },
  { text: 'Psychiko', kind: 'quarter', at: '38.0110,23.7740' },
  { text: 'Filothei', kind: 'quarter', at: '38.0250,23.7790' },
  { text: 'Cholargos', kind: 'quarter', at: '38.0020,23.7950' },
  { text: 'Ilisia', kind: 'quarter', at: '37.9780,23.7590' },
]

/** Names for the streets that have none above. */
export const STREET_NAMES =
  'Solonos Skoufa Ippokratous Asklipiou Sina Didotou Aristotelous Platonos Sokratous Sofokleous Evripidou Aischylou Menandrou Geraniou Kolokotroni Miaouli Kanari Botsari Karaiskaki Makrygianni Androutsou Diakou Papaflessa Bouboulinas Mavromichali Zaimi Trikoupi Deligianni Kapodistriou Ypsilantou Rigillis Korai Valaoritou Palama Sikelianou Kalvou Solomou Kavafi Seferi Papadiamanti Drosini Krystalli Theotoki Delfon Olympias Dodonis Eleusinos Marathonos Salaminos Plataion Thermopylon Artemidos Apollonos Athinas Dimitros Poseidonos Ermou Irakleous Thiseos Perikleous Dimosthenous Ifaistou Aiolou Naxou Parou Thiras Milou Androu Tinou Syrou Samou Chiou Lesvou Rodou Kritis Kyprou Ithakis Kefallinias Zakynthou Levkados Kerkyras Ipeirou Thessalias Makedonias Thrakis Mykinon Spartis Korinthou Argous Thivon Larissis Volou Kozanis Dramas Serron Kavalas Xanthis'
