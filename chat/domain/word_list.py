"""Common English words, to be read aloud and typed: four of them are an access token.

Four to nine letters each. No two begin with the same four letters, and none becomes another by one letter
that is added, left out, changed or swapped with its neighbour. Changing the list makes tokens of words that
were written down before into texts like any other: they must then be typed as they were stored.
"""

from __future__ import annotations

_TEXT = """
able acid acorn actor adult advice agent airport alarm album alley almond alpha amber anchor angel animal
ankle answer antenna apple april apron arch arctic arena argue armor arrow artist aspen atlas atom attic
august aunt author autumn avenue avocado award axis baby bacon badge baker balance balcony ballet bamboo
banana banjo banner barber bargain barley barn barrel basil basket battery beach beaver bedroom beetle begin
behind believe belly benefit berry better bicycle billion biscuit bishop blanket blazer blender blossom
blouse blue board boat body bonfire bonus book border borrow bottle boulder bowling bracelet brain branch
brass brave bread breeze brick bridge bright broccoli bronze brother brown brush bubble bucket budget
buffalo builder bumper bundle burger button buzzer cabbage cabin cactus cafe calendar camel canal candle
cannon canoe canvas captain caramel carbon cargo carnival carpet carrot castle cause cavern ceiling celery
cellar cement center cereal chain chalk champion channel chapel charm cheese cherry chess chicken chief
child chimney chocolate choir chorus church cider cinema cinnamon circle citizen city clay clever climate
clinic clock cloth cloud clown club coach coast cobra coconut coffee coin college colony comedy comic
compass concert condor cookie copper coral corner cosmos cottage country couple course cousin cover cowboy
coyote cradle crane crater crayon cream cricket crimson critic crocodile crowd cruise crystal cucumber
culture cupboard curious current curtain cushion customer cycle dagger dairy damage dancer daughter dawn
daylight decade december decimal deer degree delta denim dentist deposit desert design desk detail detective
dialog diamond diesel dinner dinosaur diploma direct dish distance ditch diver doctor dolphin domain donkey
donut double dough dragon drama drawer dress drill drink drum duck dumpling dune dust dwarf eagle early
earth easel easter echo eclipse edge editor effort eight elbow elder electric elephant elevator embassy
emerald emotion empire empty energy engine enjoy enough entry envelope equal eraser escape essay estate
evening exact example exit expert express extra eyebrow fabric factory falcon family famous fancy farmer
fashion father faucet favorite february fence festival fever fiber fiction field fifteen figure filter
finger finish fire flag flame flash fleet flight flood flour flower fluid flute focus folder follow football
forest fork formal fortune fossil fountain freezer freight friday friend frog frost frozen fruit funnel
furnace future galaxy gallery game garage garden garlic gasoline gazelle gecko general genius gentle geology
gesture giant gift giraffe glacier glass glider globe glory goblet golden gondola goose gorilla gossip gown
grammar granite grape gravel green grocery group guard guess guide guitar gulf habit half hallway hammer
hamster happy harbor harvest hawk hazel head health heart heavy helmet helper hero hidden highway hill hippo
history hobby hockey holiday honest hood horizon horse hospital hotel hundred hungry hunter hurdle hurry
husband hybrid hydrogen iceberg icicle idea igloo image impact inch income index infant insect inside island
ivory jacket jaguar january jasmine jazz jeans jewel jigsaw joke journal judge juice july jumbo jump jungle
junior justice kangaroo karate kayak kennel ketchup kettle keyboard kidney king kiosk kitchen kite kitten
kiwi knee knife knight knot koala label ladder ladle lady lagoon lake lamp language lantern laptop large
laser laugh laundry lava lawyer leader leaf league learn leather lecture lemon lens leopard lesson lettuce
level liberty library license lighter lilac limit linen lion lipstick liquid list liter little lizard llama
lobster local locker logic lonely lotion lotus lounge lucky luggage lumber lunar lunch luxury lyrics machine
magic magnet mailbox major mammal mango manual maple marble margin marine market marsh mascot mask match
mattress maximum meadow meal measure medicine melody member memory menu merchant mermaid message meteor
method middle midnight mineral minimum minor mint minute miracle mirror mixer mobile model moment monday
money monster month monument moon morning mosaic mosquito mother motor mouse movie muffin mule muscle museum
mushroom music mustard mystery napkin nation nature navy nearby nectar needle neighbor nephew nerve nest
network neutral nickel nine ninja noble noise noodle north notebook nothing november nurse nutmeg nylon
oasis oatmeal object oboe ocean october office often olive omelet onion online onyx opal open opera opinion
optic orange orbit orchard organ origin orphan ostrich otter outdoor outfit outside owner oxygen oyster
package paddle page painter pajamas palace palm pancake panda panel panther papaya paper parade parcel
parent park parsley partner passport pasta patient patrol pattern pavement peacock peanut pear pebble
pelican pencil penguin pepper perfect permit person petal piano pickle picnic picture pigeon pillow pilot
pioneer pirate pizza planet plastic plate player plaza plenty plum plywood pocket poem polar police pond
popcorn poppy porch portrait postcard potato powder prairie present pretty prince prize problem profit
program promise protein proud public pudding pulse pumpkin pupil puppet purple puzzle pyramid python quality
quarter queen question quick quiet quiz rabbit raccoon race radar radio raft railway raisin random rapid
raspberry raven razor reason recipe record reef referee reindeer relax remote rent report rescue result
reward rhino rhythm ribbon ripple robin robot romance roof rooster rope round route royal rubber ruby rudder
ruler rural safari sailor salad salmon salt sandal sapphire satellite saturday sauce sauna sausage scarf
scene school science scissors scooter scorpion scout screen sculptor second secret senate senior september
sesame seven shadow shampoo shark sheep shelf sheriff shield shirt shock shoe shoulder shovel shower shrimp
shuttle sidewalk signal silence silk silver simple siren sister sixteen skate sketch skill skin slice
slipper slow smart smile smoke smooth snail snake soap soccer social soda soldier solid sonar song sorry
south space speaker special spider spinach spiral spoon sport spray spring square squirrel stable stadium
stamp star station steam steel stereo sticker stomach stone storm straw street student subway sugar suitcase
summer sunday sunset super surfer surgeon surprise sushi swallow swan sweater swim switch sword symbol syrup
system tablet talent tank target taxi teacher teapot telescope temple tenant tennis theater theory thermos
thirty thread throat thunder thursday ticket tiger timber tissue title today together toilet token tomato
tongue tonight tooth topaz topic tornado tortoise total toucan towel tractor traffic trailer transit
treasure triangle tribe tricycle trombone trophy trouble truck trumpet tuba tuesday tulip tundra turbine
turkey turnip turtle tutor tuxedo twelve twenty twin twist typhoon ukulele umbrella uncle under unicorn
uniform unique unit universe upper urban useful usual vacation vacuum vanilla vapor vase vault vegetable
vehicle velvet vendor veranda vessel veteran victory video village vinegar violet virtue visitor vitamin
voice volcano volley volume voyage waffle wagon waiter walnut walrus waltz warehouse warm washer wave
wedding wednesday weekend welcome whale wheat wheel whisper white width wildcat window winter wisdom wolf
woman wonder wooden wool worker world wreath wrist yacht yard yellow yesterday yogurt young zebra zeppelin
zigzag zinc zipper zodiac zombie zone
"""
WORDS = tuple(_TEXT.split())
